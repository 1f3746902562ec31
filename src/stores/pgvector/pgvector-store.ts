import type { CallOptions, Database } from '../../ports/database.ts';
import type {
  CollectionInfo,
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
import { collectionMissing, collectionWidth } from '../collection-errors.ts';
import { PgvectorCatalog } from './pgvector-catalog.ts';
import { checkExtension } from './pgvector-extension.ts';
import { PgvectorReader } from './pgvector-reader.ts';
import { MAX_POINTS_PER_STATEMENT, PgvectorWriter } from './pgvector-writer.ts';
import type { PointsTable } from './points-table.ts';
import { hasSqlState } from './sql-state.ts';

export interface OpenPgvectorOptions extends CallOptions {
  /**
   * Rows from which `finishLoad` gives a collection its index. Left out: 10,000 on a server, where an exact search
   * over as many takes 10 ms; never in the embedded database, which needs a millisecond a row to build an index and
   * cannot be interrupted meanwhile, and in which an exact search over 100,000 rows takes less than half a second.
   */
  indexFromRows?: number;
}

const INDEX_FROM_ROWS = { postgres: 10_000, pglite: Infinity };

/**
 * Opens the vector store inside a migrated database, over pgvector. The caller keeps the database: disposing the
 * store does not dispose it.
 * @throws {VecpipeError} `usage` when the server has no pgvector; `unavailable` when the database cannot be reached;
 *   the signal's reason when aborted
 */
export async function openPgvectorStore(
  database: Database,
  options: OpenPgvectorOptions = {},
): Promise<VectorStore> {
  await checkExtension(database, options);
  return new PgvectorStore(database, options.indexFromRows ?? INDEX_FROM_ROWS[database.kind]);
}

const UNDEFINED_TABLE = '42P01';

/** How often a table that has just been dropped is looked up again. */
const MAX_LOOKUPS = 3;

class PgvectorStore implements VectorStore {
  readonly kind = 'pgvector';
  /** What is recorded as stored lies in the same database, so there is nothing to tell apart. */
  readonly location = 'pgvector';
  readonly maxBatchSize = MAX_POINTS_PER_STATEMENT;
  readonly #catalog: PgvectorCatalog;
  readonly #writer: PgvectorWriter;
  readonly #reader: PgvectorReader;
  /** Tables by collection. An id is never used twice, so an outdated entry can only lead to no table at all. */
  readonly #tables = new Map<string, PointsTable>();
  #isClosed = false;

  constructor(database: Database, indexFromRows: number) {
    this.#catalog = new PgvectorCatalog(database, indexFromRows);
    this.#writer = new PgvectorWriter(database);
    this.#reader = new PgvectorReader(database);
  }

  async describeCollection(collection: string, options: CallOptions = {}): Promise<CollectionInfo | null> {
    this.#assertOpen();
    return this.#catalog.describe(collection, options);
  }

  async listCollections(options: CallOptions = {}): Promise<string[]> {
    this.#assertOpen();
    return this.#catalog.list(options);
  }

  async listAliases(options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    this.#assertOpen();
    return this.#catalog.aliases(options);
  }

  collectionBytes(collection: string, options: CallOptions = {}): Promise<number> {
    return this.#inTable(collection, options, (table) => this.#reader.bytes(table, options));
  }

  /** A collection has no tuning of its own that another could get. */
  async createCollection(collection: string, dimensions: number, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#catalog.create(collection, dimensions, options);
  }

  async deleteCollection(collection: string, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#catalog.delete(collection, options);
  }

  /** Nothing to change: the index is built in `finishLoad` and not before. */
  async readLoadSettings(collection: string, options: CallOptions = {}): Promise<null> {
    await this.#assertExists(collection, options);
    return null;
  }

  async beginLoad(collection: string, options: CallOptions = {}): Promise<void> {
    await this.#assertExists(collection, options);
  }

  async endLoad(collection: string, _settings: LoadSettings, options: CallOptions = {}): Promise<void> {
    await this.#assertExists(collection, options);
  }

  async finishLoad(collection: string, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#inTable(collection, options, (table) => this.#catalog.buildIndex(table, options));
    // What is known of the table says that it has no index.
    this.#tables.delete(collection);
  }

  async resolveAlias(alias: string, options: CallOptions = {}): Promise<string | null> {
    this.#assertOpen();
    return this.#catalog.resolveAlias(alias, options);
  }

  async setAlias(alias: string, collection: string, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#catalog.setAlias(alias, collection, options);
  }

  async upsert(collection: string, points: readonly Point[], options: CallOptions = {}): Promise<void> {
    await this.#inTable(collection, options, async (table) => {
      for (const { vector } of points) assertWidth(collection, table, vector);
      await this.#writer.upsert(table, points, options);
    });
  }

  setPayload(
    collection: string,
    points: readonly { id: string; payload: Payload }[],
    options: CallOptions = {},
  ): Promise<string[]> {
    return this.#inTable(collection, options, (table) => this.#writer.setPayload(table, points, options));
  }

  async deleteChunks(
    collection: string,
    rows: readonly RowChunks[],
    options: CallOptions = {},
  ): Promise<void> {
    await this.#inTable(collection, options, (table) => this.#writer.deleteChunks(table, rows, options));
  }

  async deletePoints(collection: string, ids: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.#inTable(collection, options, (table) => this.#writer.deletePoints(table, ids, options));
  }

  retrieve(
    collection: string,
    ids: readonly string[],
    options: CallOptions & { withVectors?: boolean } = {},
  ): Promise<StoredPoint[]> {
    return this.#inTable(collection, options, (table) =>
      this.#reader.retrieve(table, ids, options.withVectors ?? false, options),
    );
  }

  scroll(collection: string, options: ScrollOptions): Promise<StoredPoint[]> {
    return this.#inTable(collection, options, (table) => this.#reader.scroll(table, options));
  }

  count(collection: string, options: CallOptions & { filter?: PointFilter } = {}): Promise<number> {
    return this.#inTable(collection, options, (table) => this.#reader.count(table, options.filter, options));
  }

  async search(collection: string, vector: Float32Array, options: SearchOptions): Promise<ScoredPoint[]> {
    this.#assertOpen();
    for (let lookup = 1; ; lookup++) {
      // Looked up each time: an alias moves, and the index appears, without this process being told.
      const table = await this.#catalog.findForReading(collection, options);
      if (!table) throw collectionMissing('pgvector', collection);
      assertWidth(collection, table, vector);
      try {
        return await this.#reader.search(table, vector, options);
      } catch (error) {
        if (!hasSqlState(error, UNDEFINED_TABLE) || lookup === MAX_LOOKUPS) throw error;
      }
    }
  }

  async #inTable<Result>(
    collection: string,
    options: CallOptions,
    work: (table: PointsTable) => Promise<Result>,
  ): Promise<Result> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    for (let lookup = 1; ; lookup++) {
      const table = this.#tables.get(collection) ?? (await this.#catalog.find(collection, options));
      if (!table) throw collectionMissing('pgvector', collection);
      this.#tables.set(collection, table);
      try {
        return await work(table);
      } catch (error) {
        if (!hasSqlState(error, UNDEFINED_TABLE) || lookup === MAX_LOOKUPS) throw error;
        this.#tables.delete(collection);
      }
    }
  }

  async #assertExists(collection: string, options: CallOptions): Promise<void> {
    this.#assertOpen();
    if (!(await this.#catalog.find(collection, options))) throw collectionMissing('pgvector', collection);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error('the pgvector store is closed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#tables.clear();
    return Promise.resolve();
  }
}

function assertWidth(collection: string, { dimensions }: PointsTable, vector: Float32Array): void {
  if (vector.length !== dimensions) throw collectionWidth('pgvector', collection, dimensions, vector.length);
}
