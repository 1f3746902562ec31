import type { BoundValue, CallOptions, Database, Queryable } from '../../ports/database.ts';
import type {
  Payload,
  PayloadPart,
  PointFilter,
  ScoredPoint,
  ScrollOptions,
  SearchOptions,
  StoredPoint,
} from '../../ports/vector-store.ts';
import { vectorText } from '../float-text.ts';
import { isNumberId, uuidsOf } from '../number-id.ts';
import { nearestFirst } from '../nearest-first.ts';
import { bind, filterCondition } from './pgvector-filter.ts';
import {
  cosineDistance,
  hasIterativeScan,
  indexedAs,
  indexedExpression,
  tableName,
  vectorType,
  type PointsTable,
} from './points-table.ts';
import { unitVector } from './unit-vector.ts';

interface PointRow {
  id: string;
  payload: Payload;
  /** `[1,2,3]` */
  vector?: string;
}

/** Candidates that HNSW keeps while it searches: as Qdrant's default, and pgvector's largest. */
const MIN_EF_SEARCH = 100;
const MAX_EF_SEARCH = 1000;

/** Reads one collection's table. */
export class PgvectorReader {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async retrieve(
    table: PointsTable,
    ids: readonly string[],
    withVectors: boolean,
    options: CallOptions,
  ): Promise<StoredPoint[]> {
    const { rows } = await this.#database.query<PointRow>(
      `select ${columns(withVectors)} from ${tableName(table.id)} where id = any($1::uuid[])`,
      [uuidsOf(ids)],
      options,
    );
    return rows.map(storedPoint);
  }

  async scroll(table: PointsTable, options: ScrollOptions): Promise<StoredPoint[]> {
    const { limit, filter, withVectors = false, payload = 'all' } = options;
    // A number is before every UUID.
    const after = options.after !== undefined && isNumberId(options.after) ? undefined : options.after;
    const values: BoundValue[] = [];
    const condition = filterCondition(filter, values);
    const onlyAfter = after === undefined ? '' : `and id > ${bind(values, after)}::uuid`;
    const { rows } = await this.#database.query<PointRow>(
      `select ${columns(withVectors, payload)} from ${tableName(table.id)}
       where ${condition} ${onlyAfter}
       order by id limit ${bind(values, limit)}::bigint`,
      values,
      options,
    );
    return rows.map(storedPoint);
  }

  /** Bytes of the table with its indexes. */
  async bytes(table: PointsTable, options: CallOptions): Promise<number> {
    const { rows } = await this.#database.query<{ bytes: number }>(
      'select pg_total_relation_size($1::regclass) as bytes',
      [tableName(table.id)],
      options,
    );
    return rows[0]?.bytes ?? 0;
  }

  async count(table: PointsTable, filter: PointFilter | undefined, options: CallOptions): Promise<number> {
    const values: BoundValue[] = [];
    const condition = filterCondition(filter, values);
    const { rows } = await this.#database.query<{ count: number }>(
      `select count(*) as count from ${tableName(table.id)} where ${condition}`,
      values,
      options,
    );
    return rows[0]?.count ?? 0;
  }

  /** Through the index where there is one; exact where there is none, or where it does not lead to enough points. */
  async search(table: PointsTable, vector: Float32Array, options: SearchOptions): Promise<ScoredPoint[]> {
    const query = vectorText(unitVector(vector));
    const isFiltered = (options.filter?.must.length ?? 0) > 0;
    if (!table.indexed) return exactSearch(this.#database, table, query, options);
    if (!isFiltered || hasIterativeScan(table)) {
      const found = await this.#indexedSearch(table, query, options);
      if (found.length >= options.limit) return found;
    }
    return this.#searchAround(table, query, options);
  }

  #indexedSearch(table: PointsTable, query: string, options: SearchOptions): Promise<ScoredPoint[]> {
    const efSearch = Math.min(MAX_EF_SEARCH, Math.max(MIN_EF_SEARCH, options.limit));
    return this.#database.transaction(async (tx) => {
      await tx.query(
        `select set_config('hnsw.ef_search', $1, true)
                ${hasIterativeScan(table) ? ", set_config('hnsw.iterative_scan', 'strict_order', true)" : ''}`,
        [String(efSearch)],
      );
      return indexedSearch(tx, table, query, options);
    }, options);
  }

  /** An exact search although there is an index, which Postgres would use if it could. */
  #searchAround(table: PointsTable, query: string, options: SearchOptions): Promise<ScoredPoint[]> {
    return this.#database.transaction(async (tx) => {
      // HNSW has plain index scans only; the index on tenant and entity can still be used by a bitmap scan.
      await tx.query(`select set_config('enable_indexscan', 'off', true)`);
      return exactSearch(tx, table, query, options);
    }, options);
  }
}

function exactSearch(
  queryable: Queryable,
  table: PointsTable,
  query: string,
  options: SearchOptions,
): Promise<ScoredPoint[]> {
  const values: BoundValue[] = [query];
  return scoredPoints(
    queryable,
    `select id, payload, 1 - distance as score
     from (
       select id, payload, embedding ${cosineDistance(table)} $1::${vectorType(table, 'vector')} as distance
       from ${tableName(table.id)}
       where ${filterCondition(options.filter, values)}
       order by distance limit ${bind(values, options.limit)}::bigint
     ) nearest`,
    values,
  );
}

function indexedSearch(
  queryable: Queryable,
  table: PointsTable,
  query: string,
  options: SearchOptions,
): Promise<ScoredPoint[]> {
  const isHalf = indexedAs(table) === 'halfvec';
  const values: BoundValue[] = [query];
  const vector = vectorType(table, 'vector');
  const compared = isHalf ? `${vectorType(table, 'halfvec')}(${table.dimensions})` : vector;
  // Half precision may swap neighbours: twice as many are found by it and put in order by the whole numbers.
  const found = isHalf ? options.limit * 2 : options.limit;
  return scoredPoints(
    queryable,
    `select id, payload, 1 - (embedding ${cosineDistance(table)} $1::${vector}) as score
     from (
       select id, payload, embedding
       from ${tableName(table.id)}
       where ${filterCondition(options.filter, values)}
       order by ${indexedExpression(table)} ${cosineDistance(table)} $1::${vector}::${compared}
       limit ${bind(values, found)}::bigint
     ) nearest
     order by score desc limit ${bind(values, options.limit)}::bigint`,
    values,
  );
}

async function scoredPoints(
  queryable: Queryable,
  sql: string,
  values: readonly BoundValue[],
): Promise<ScoredPoint[]> {
  const { rows } = await queryable.query<PointRow & { score: number }>(sql, values);
  // A zero vector has no angle to anything, which pgvector calls NaN and Qdrant calls 0.
  return nearestFirst(rows.map(({ id, payload, score }) => ({ id, payload, score: score || 0 })));
}

const PAYLOAD_COLUMN: Readonly<Record<PayloadPart, string>> = {
  all: 'payload',
  identity: `jsonb_build_object('vecpipe', payload -> 'vecpipe') as payload`,
  none: `'{}'::jsonb as payload`,
};

function columns(withVectors: boolean, payload: PayloadPart = 'all'): string {
  return `id, ${PAYLOAD_COLUMN[payload]}${withVectors ? ', embedding::text as vector' : ''}`;
}

function storedPoint({ id, payload, vector }: PointRow): StoredPoint {
  if (vector === undefined) return { id, payload };
  return { id, payload, vector: Float32Array.from(JSON.parse(vector) as number[]) };
}
