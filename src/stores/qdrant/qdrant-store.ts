import type { CallOptions } from '../../ports/database.ts';
import type {
  CollectionInfo,
  FinishLoadOptions,
  LoadSettings,
  Payload,
  Point,
  PointFilter,
  RowChunks,
  ScoredPoint,
  ScrollOptions,
  SearchOptions,
  StoredPoint,
  VectorStore,
} from '../../ports/vector-store.ts';
import { QdrantApi } from './qdrant-api.ts';
import { QdrantCollections } from './qdrant-collections.ts';
import { storeKeyInvalid, storeTooOld } from './qdrant-errors.ts';
import { QdrantHttp } from './qdrant-http.ts';
import { QdrantLoads } from './qdrant-loads.ts';
import { MAX_POINTS_PER_REQUEST } from './qdrant-points.ts';
import { QdrantReader } from './qdrant-reader.ts';
import type { RetryPolicy } from './qdrant-retry.ts';
import { versionShape } from './qdrant-shapes.ts';
import { parseQdrantUrl } from './qdrant-url.ts';
import { isOldVersion, MINIMUM_VERSION, readVersion } from './qdrant-version.ts';
import { QdrantWriter } from './qdrant-writer.ts';

export interface QdrantConfig {
  url: string;
  apiKey: string | null;
}

export interface OpenQdrantOptions extends CallOptions {
  /** For one request with all its retries; 30 s when left out. */
  deadlineMs?: number;
  /** For the making of one connection; 5 s when left out. */
  connectTimeoutMs?: number;
  /** For the start of an answer, and between two parts of it; 15 s when left out. */
  answerTimeoutMs?: number;
  /** `few` for a caller that waits for the store itself; `many` when left out. */
  retries?: 'few' | 'many';
}

/** With `many`, a server that is restarted comes back within these attempts (about 20 s of pauses). */
const MAX_ATTEMPTS = { few: 3, many: 10 } as const;
/** A server that is not there is reported after about a second. */
const MAX_OPENING_ATTEMPTS = 4;

/**
 * Opens a Qdrant store: checks that the address answers, that it is Qdrant in a version that has what vecpipe needs,
 * and that the key is accepted. Nothing is left behind when it fails. The caller disposes the store.
 * @throws {VecpipeError} `unavailable` when it cannot be reached; `usage` when the address, the key or the version is
 *   wrong; the signal's reason when aborted
 */
export async function openQdrantStore(
  { url, apiKey }: QdrantConfig,
  {
    signal,
    deadlineMs = 30_000,
    connectTimeoutMs = 5_000,
    answerTimeoutMs = 15_000,
    retries = 'many',
  }: OpenQdrantOptions = {},
): Promise<VectorStore> {
  if (apiKey !== null && !isHeaderText(apiKey)) throw storeKeyInvalid();
  const http = new QdrantHttp({ url: parseQdrantUrl(url), apiKey, connectTimeoutMs, answerTimeoutMs });
  try {
    const opening = new QdrantApi(http, { maxAttempts: MAX_OPENING_ATTEMPTS, deadlineMs });
    const answer = await opening.send({ method: 'GET', path: '/', readAnswer: readVersion }, signal);
    const { version } = opening.result(answer, versionShape, 'tell its version');
    if (isOldVersion(version)) throw storeTooOld(http.shown, version, MINIMUM_VERSION);
    // The first path needs no key; this one does.
    await new QdrantCollections(opening).aliases(signal);
    return new QdrantStore(http, { maxAttempts: MAX_ATTEMPTS[retries], deadlineMs });
  } catch (error) {
    await http[Symbol.asyncDispose]();
    throw error;
  }
}

/** Visible characters and blanks, https://www.rfc-editor.org/rfc/rfc9110#section-5.5 */
function isHeaderText(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

class QdrantStore implements VectorStore {
  readonly kind = 'qdrant';
  readonly location: string;
  readonly maxBatchSize = MAX_POINTS_PER_REQUEST;
  readonly #http: QdrantHttp;
  readonly #collections: QdrantCollections;
  readonly #loads: QdrantLoads;
  readonly #writer: QdrantWriter;
  readonly #reader: QdrantReader;

  constructor(http: QdrantHttp, policy: RetryPolicy) {
    const api = new QdrantApi(http, policy);
    this.location = `qdrant ${http.shown}`;
    this.#http = http;
    this.#collections = new QdrantCollections(api);
    this.#loads = new QdrantLoads(api, this.#collections);
    this.#writer = new QdrantWriter(api);
    this.#reader = new QdrantReader(api);
  }

  async describeCollection(collection: string, options: CallOptions = {}): Promise<CollectionInfo | null> {
    const found = await this.#collections.describe(collection, options.signal);
    return found && { dimensions: found.dimensions, distance: found.distance };
  }

  listCollections(options: CallOptions = {}): Promise<string[]> {
    return this.#collections.list(options.signal);
  }

  listAliases(options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    return this.#collections.aliases(options.signal);
  }

  /** Qdrant's API does not tell. */
  collectionBytes(_collection: string, options: CallOptions = {}): Promise<null> {
    return new Promise((resolve) => {
      options.signal?.throwIfAborted();
      resolve(null);
    });
  }

  createCollection(
    collection: string,
    dimensions: number,
    options: CallOptions & { like?: string } = {},
  ): Promise<void> {
    return this.#collections.create(collection, dimensions, options.like, options.signal);
  }

  deleteCollection(collection: string, options: CallOptions = {}): Promise<void> {
    return this.#collections.delete(collection, options.signal);
  }

  readLoadSettings(collection: string, options: CallOptions = {}): Promise<LoadSettings> {
    return this.#loads.readSettings(collection, options.signal);
  }

  beginLoad(collection: string, options: CallOptions = {}): Promise<void> {
    return this.#loads.begin(collection, options.signal);
  }

  endLoad(collection: string, settings: LoadSettings, options: CallOptions = {}): Promise<void> {
    return this.#loads.end(collection, settings, options.signal);
  }

  /** Qdrant indexes by itself, in the background. */
  finishLoad(collection: string, options: FinishLoadOptions = {}): Promise<void> {
    return this.#loads.finish(collection, options.waits ?? false, options.signal);
  }

  async resolveAlias(alias: string, options: CallOptions = {}): Promise<string | null> {
    return (await this.#collections.aliases(options.signal)).get(alias) ?? null;
  }

  setAlias(alias: string, collection: string, options: CallOptions = {}): Promise<void> {
    return this.#collections.setAlias(alias, collection, options.signal);
  }

  upsert(collection: string, points: readonly Point[], options: CallOptions = {}): Promise<void> {
    return this.#writer.upsert(collection, points, options.signal);
  }

  setPayload(
    collection: string,
    points: readonly { id: string; payload: Payload }[],
    options: CallOptions = {},
  ): Promise<string[]> {
    return this.#writer.setPayload(collection, points, options.signal);
  }

  deleteChunks(collection: string, rows: readonly RowChunks[], options: CallOptions = {}): Promise<void> {
    return this.#writer.deleteChunks(collection, rows, options.signal);
  }

  deletePoints(collection: string, ids: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#writer.deletePoints(collection, ids, options.signal);
  }

  retrieve(
    collection: string,
    ids: readonly string[],
    options: CallOptions & { withVectors?: boolean } = {},
  ): Promise<StoredPoint[]> {
    return this.#reader.retrieve(collection, ids, options.withVectors ?? false, options.signal);
  }

  scroll(collection: string, options: ScrollOptions): Promise<StoredPoint[]> {
    return this.#reader.scroll(collection, options);
  }

  count(collection: string, options: CallOptions & { filter?: PointFilter } = {}): Promise<number> {
    return this.#reader.count(collection, options.filter, options.signal);
  }

  search(collection: string, vector: Float32Array, options: SearchOptions): Promise<ScoredPoint[]> {
    return this.#reader.search(collection, vector, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#http[Symbol.asyncDispose]();
  }
}
