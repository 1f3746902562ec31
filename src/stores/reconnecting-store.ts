import { Outage } from '../lifetime/outage.ts';
import type { WaitOptions } from '../lifetime/outage.ts';
import type { CallOptions } from '../ports/database.ts';
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
} from '../ports/vector-store.ts';

/** `store_not_confirmed` is not among them: a store that answers but does not store is not one to wait for. */
const OUTAGE = 'store_unreachable';

/**
 * An open store whose calls wait while it is away (see {@link Outage}). Every call of the port may be repeated: points
 * are written and removed by their ids, and a collection or alias that is there already is left as it is.
 * Disposal ends all waiting and closes the store.
 */
export function reconnectingStore(store: VectorStore, options: WaitOptions): VectorStore {
  return new ReconnectingStore(store, options);
}

class ReconnectingStore implements VectorStore {
  readonly kind: VectorStore['kind'];
  readonly location: string;
  readonly maxBatchSize: number;
  readonly #store: VectorStore;
  readonly #outage: Outage;

  constructor(store: VectorStore, options: WaitOptions) {
    this.kind = store.kind;
    this.location = store.location;
    this.maxBatchSize = store.maxBatchSize;
    this.#store = store;
    this.#outage = new Outage({
      ...options,
      service: store.location.replace(/^qdrant /, 'Qdrant at '),
      hasAnswered: true,
      isOutage: ({ code }) => code === OUTAGE,
    });
  }

  describeCollection(collection: string, options: CallOptions = {}): Promise<CollectionInfo | null> {
    return this.#run((attempt) => this.#store.describeCollection(collection, attempt), options);
  }

  listCollections(options: CallOptions = {}): Promise<string[]> {
    return this.#run((attempt) => this.#store.listCollections(attempt), options);
  }

  listAliases(options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    return this.#run((attempt) => this.#store.listAliases(attempt), options);
  }

  collectionBytes(collection: string, options: CallOptions = {}): Promise<number | null> {
    return this.#run((attempt) => this.#store.collectionBytes(collection, attempt), options);
  }

  createCollection(
    collection: string,
    dimensions: number,
    options: CallOptions & { like?: string } = {},
  ): Promise<void> {
    return this.#run(
      (attempt) => this.#store.createCollection(collection, dimensions, { ...options, ...attempt }),
      options,
    );
  }

  deleteCollection(collection: string, options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.deleteCollection(collection, attempt), options);
  }

  readLoadSettings(collection: string, options: CallOptions = {}): Promise<LoadSettings | null> {
    return this.#run((attempt) => this.#store.readLoadSettings(collection, attempt), options);
  }

  beginLoad(collection: string, options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.beginLoad(collection, attempt), options);
  }

  endLoad(collection: string, settings: LoadSettings, options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.endLoad(collection, settings, attempt), options);
  }

  finishLoad(collection: string, options: FinishLoadOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.finishLoad(collection, { ...options, ...attempt }), options);
  }

  resolveAlias(alias: string, options: CallOptions = {}): Promise<string | null> {
    return this.#run((attempt) => this.#store.resolveAlias(alias, attempt), options);
  }

  setAlias(alias: string, collection: string, options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.setAlias(alias, collection, attempt), options);
  }

  upsert(collection: string, points: readonly Point[], options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.upsert(collection, points, attempt), options);
  }

  setPayload(
    collection: string,
    points: readonly { id: string; payload: Payload }[],
    options: CallOptions = {},
  ): Promise<string[]> {
    return this.#run((attempt) => this.#store.setPayload(collection, points, attempt), options);
  }

  deleteChunks(collection: string, rows: readonly RowChunks[], options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.deleteChunks(collection, rows, attempt), options);
  }

  deletePoints(collection: string, ids: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#run((attempt) => this.#store.deletePoints(collection, ids, attempt), options);
  }

  retrieve(
    collection: string,
    ids: readonly string[],
    options: CallOptions & { withVectors?: boolean } = {},
  ): Promise<StoredPoint[]> {
    return this.#run((attempt) => this.#store.retrieve(collection, ids, { ...options, ...attempt }), options);
  }

  scroll(collection: string, options: ScrollOptions): Promise<StoredPoint[]> {
    return this.#run((attempt) => this.#store.scroll(collection, { ...options, ...attempt }), options);
  }

  count(collection: string, options: CallOptions & { filter?: PointFilter } = {}): Promise<number> {
    return this.#run((attempt) => this.#store.count(collection, { ...options, ...attempt }), options);
  }

  search(collection: string, vector: Float32Array, options: SearchOptions): Promise<ScoredPoint[]> {
    return this.#run(
      (attempt) => this.#store.search(collection, vector, { ...options, ...attempt }),
      options,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outage[Symbol.dispose]();
    await this.#store[Symbol.asyncDispose]();
  }

  #run<Result>(call: (attempt: CallOptions) => Promise<Result>, { signal }: CallOptions): Promise<Result> {
    return this.#outage.run(call, signal);
  }
}
