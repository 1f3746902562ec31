import type { CallOptions } from './database.ts';

export type PayloadValue =
  string | number | boolean | null | PayloadValue[] | { [name: string]: PayloadValue };

/** What vecpipe itself keeps in every point, under the payload field `vecpipe`. */
export interface PointIdentity {
  tenant: string;
  entity: string;
  /** The row's key as text. */
  key: string;
  label: string;
  /** Zero-based number of the chunk. */
  chunk: number;
  /** Hash of the whole rendered text of the row. */
  hash: string;
  /** Fingerprint of the generation that the vector belongs to. */
  fingerprint: string;
}

export interface Payload {
  vecpipe: PointIdentity;
  [field: string]: PayloadValue | PointIdentity;
}

export interface Point {
  /** UUID, lower case. */
  id: string;
  vector: Float32Array;
  payload: Payload;
}

/** Points that satisfy every condition; a condition holds when the field equals (or, for an array, contains) one of `anyOf`. */
export interface PointFilter {
  must: { field: string; anyOf: readonly (string | number | boolean)[] }[];
}

export interface CollectionInfo {
  dimensions: number;
  distance: 'cosine' | 'other';
}

/** The chunks of one row from `fromChunk` on; 0 means all of the row's points. */
export interface RowChunks {
  tenant: string;
  entity: string;
  key: string;
  fromChunk: number;
}

export interface StoredPoint {
  /** UUID in lower case; of a point that something else wrote, a number in decimal digits. */
  id: string;
  /** Empty for a point that something else wrote without one, or when it was not asked for. */
  payload: Payload;
  /** Present when asked for; cosine stores give it at unit length. */
  vector?: Float32Array;
}

export interface ScoredPoint extends StoredPoint {
  /** Cosine similarity, -1 to 1. */
  score: number;
}

/** How much of a point's payload is read; `identity` is the field `vecpipe` alone. */
export type PayloadPart = 'all' | 'identity' | 'none';

export interface ScrollOptions extends CallOptions {
  /** Only points behind this id. */
  after?: string;
  limit: number;
  filter?: PointFilter;
  withVectors?: boolean;
  /** `all` when left out. */
  payload?: PayloadPart;
}

/** Settings of a collection that a load changes, as the store had them before: JSON, of use to the same store alone. */
export type LoadSettings = Record<string, PayloadValue>;

export interface FinishLoadOptions extends CallOptions {
  /** Wait until the store has built what it builds in the background. */
  waits?: boolean;
}

export interface SearchOptions extends CallOptions {
  limit: number;
  filter?: PointFilter;
}

/**
 * Keeps points in physical collections that readers reach through aliases. Every write is durable when its
 * promise resolves. A collection or alias name is plain text; the adapter quotes or encodes it.
 *
 * Every method throws VecpipeError `unavailable` when the store cannot be reached (after the adapter's own
 * bounded retries), `usage` when it refuses the credentials, and the signal's reason when aborted.
 * The opener disposes; disposal is idempotent.
 */
export interface VectorStore extends AsyncDisposable {
  readonly kind: 'qdrant' | 'pgvector';
  /**
   * Identity of the store, without secrets: what is recorded as stored is bound to it, so that pointing vecpipe
   * at another store is never mistaken for "nothing changed".
   */
  readonly location: string;
  /** Points in one `upsert` or `setPayload` at the most. */
  readonly maxBatchSize: number;

  /** Null when there is no physical collection of that name (an alias does not count). */
  describeCollection(collection: string, options?: CallOptions): Promise<CollectionInfo | null>;
  /** Names of all physical collections, vecpipe's or not, in ascending order. */
  listCollections(options?: CallOptions): Promise<string[]>;
  /** All aliases with the physical collection behind each. */
  listAliases(options?: CallOptions): Promise<ReadonlyMap<string, string>>;
  /** Bytes on disk as the store tells them, or null when it does not. */
  collectionBytes(collection: string, options?: CallOptions): Promise<number | null>;
  /**
   * Cosine distance. A collection that exists with the same width is left as it is; with another width: usage error.
   * `like` names a collection whose tuning (index, quantisation, replicas) the new one gets; if that is between
   * `beginLoad` and `endLoad`, the new one gets the settings of the load.
   */
  createCollection(
    collection: string,
    dimensions: number,
    options?: CallOptions & { like?: string },
  ): Promise<void>;
  /** Deletes points and index; one that does not exist is no error. */
  deleteCollection(collection: string, options?: CallOptions): Promise<void>;
  /** What `beginLoad` is going to change, to be kept before it is called; null where a load changes no setting. */
  readLoadSettings(collection: string, options?: CallOptions): Promise<LoadSettings | null>;
  /** Puts off the building of indexes; until `endLoad` searches are slow. Payload indexes stay. */
  beginLoad(collection: string, options?: CallOptions): Promise<void>;
  /** Puts the settings back as they were; may be repeated. */
  endLoad(collection: string, settings: LoadSettings, options?: CallOptions): Promise<void>;
  /** Builds what makes search fast once a load is done; cheap when nothing is left to build. */
  finishLoad(collection: string, options?: FinishLoadOptions): Promise<void>;

  /** The physical collection behind an alias, or null. */
  resolveAlias(alias: string, options?: CallOptions): Promise<string | null>;
  /**
   * Points the alias at an existing collection in one step that readers cannot see half of, whether or not the
   * alias existed.
   * @throws {VecpipeError} `usage` when the target does not exist or a physical collection bears the alias's name
   */
  setAlias(alias: string, collection: string, options?: CallOptions): Promise<void>;

  /** Writes points; one with the same id is replaced, payload included. */
  upsert(collection: string, points: readonly Point[], options?: CallOptions): Promise<void>;
  /**
   * Replaces the whole payload of existing points.
   * @returns the ids that do not exist; the others were changed all the same
   */
  setPayload(
    collection: string,
    points: readonly { id: string; payload: Payload }[],
    options?: CallOptions,
  ): Promise<string[]>;
  /** Deletes the points of rows from a chunk on; rows without points are no error. */
  deleteChunks(collection: string, rows: readonly RowChunks[], options?: CallOptions): Promise<void>;
  /** Deletes points by their ids, numbers included; ids that do not exist are no error. */
  deletePoints(collection: string, ids: readonly string[], options?: CallOptions): Promise<void>;

  /** The points among `ids` that exist, in no particular order. */
  retrieve(
    collection: string,
    ids: readonly string[],
    options?: CallOptions & { withVectors?: boolean },
  ): Promise<StoredPoint[]>;
  /** One page of points: those with numbers as ids first, ascending, then the others in byte order of their UUIDs. */
  scroll(collection: string, options: ScrollOptions): Promise<StoredPoint[]>;
  /** Exact number of points. */
  count(collection: string, options?: CallOptions & { filter?: PointFilter }): Promise<number>;
  /** Nearest points first. `collection` may be an alias here, and only here. */
  search(collection: string, vector: Float32Array, options: SearchOptions): Promise<ScoredPoint[]>;
}
