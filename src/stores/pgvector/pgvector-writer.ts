import { quoteIdentifier } from '../../db/quote.ts';
import type { BoundValue, CallOptions, Database } from '../../ports/database.ts';
import type { Payload, Point, RowChunks } from '../../ports/vector-store.ts';
import { uuidsOf } from '../number-id.ts';
import { splitBatches } from '../split-batches.ts';
import { jsonTextArray, plainTextArray } from './array-literal.ts';
import { FIXED_POINT_BYTES, fixedPointArray, fixedPointUnit } from './fixed-point.ts';
import { tableName, vectorType, type PointsTable } from './points-table.ts';
import { unitVector } from './unit-vector.ts';

/** Points in one statement at the most. */
export const MAX_POINTS_PER_STATEMENT = 1000;

/** Parameters of one statement; half a gigabyte would be the end for Postgres, a fraction of it for its memory. */
const STATEMENT_LIMITS = { maxItems: MAX_POINTS_PER_STATEMENT, maxBytes: 16 * 1024 * 1024 };

/**
 * Writes to one collection's table. Rows are locked in the order of their ids in every statement, so that two
 * writers of the same points wait for one another instead of ending in a deadlock.
 */
export class PgvectorWriter {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async upsert(table: PointsTable, points: readonly Point[], options: CallOptions): Promise<void> {
    const vector = vectorType(table, 'vector');
    const product = `operator(${quoteIdentifier(table.extensionSchema)}.*)`;
    const sql = `
      insert into ${tableName(table.id)} (id, tenant, entity, key, chunk, payload, embedding)
      select id, tenant, entity, key, chunk, payload::jsonb,
             numbers::integer[]::${vector} ${product} $8::${vector}
      from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[])
        as given (id, tenant, entity, key, chunk, payload, numbers)
      order by id
      on conflict (id) do update set
        tenant = excluded.tenant, entity = excluded.entity, key = excluded.key, chunk = excluded.chunk,
        payload = excluded.payload, embedding = excluded.embedding`;
    const unit = fixedPointUnit(table.dimensions);
    const vectorBytes = table.dimensions * FIXED_POINT_BYTES;
    const encoded = encode(points).map((point) => ({ ...point, numbers: unitVector(point.vector) }));
    for (const batch of splitBatches(encoded, STATEMENT_LIMITS, ({ json }) => json.length + vectorBytes)) {
      const numbers = plainTextArray(batch.map((point) => fixedPointArray(point.numbers)));
      await this.#database.query(sql, [...payloadColumns(batch), numbers, unit], options);
    }
  }

  /** @returns the ids that do not exist */
  async setPayload(
    table: PointsTable,
    points: readonly { id: string; payload: Payload }[],
    options: CallOptions,
  ): Promise<string[]> {
    const sql = `
      with given as materialized (
        select id, tenant, entity, key, chunk, payload::jsonb as payload
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[])
          as given (id, tenant, entity, key, chunk, payload)
      ), locked as materialized (
        select id from ${tableName(table.id)} where id in (select id from given) order by id for update
      )
      update ${tableName(table.id)} as point
      set tenant = given.tenant, entity = given.entity, key = given.key, chunk = given.chunk,
          payload = given.payload
      from given join locked on locked.id = given.id
      where point.id = given.id
      returning point.id`;
    const encoded = encode(points);
    const missing = new Set(encoded.map(({ id }) => id));
    for (const batch of splitBatches(encoded, STATEMENT_LIMITS, ({ json }) => json.length)) {
      const { rows } = await this.#database.query<{ id: string }>(sql, payloadColumns(batch), options);
      for (const { id } of rows) missing.delete(id);
    }
    return [...missing];
  }

  async deleteChunks(table: PointsTable, rows: readonly RowChunks[], options: CallOptions): Promise<void> {
    const sql = `
      delete from ${tableName(table.id)}
      where id in (
        select point.id
        from unnest($1::text[], $2::text[], $3::text[], $4::integer[]) as given (tenant, entity, key, chunk)
        join ${tableName(table.id)} as point
          on point.tenant = given.tenant and point.entity = given.entity and point.key = given.key
          and point.chunk >= given.chunk
        order by point.id
        for update of point
      )`;
    for (const batch of splitBatches(rows, STATEMENT_LIMITS, (row) => row.key.length)) {
      await this.#database.query(
        sql,
        [
          batch.map((row) => row.tenant),
          batch.map((row) => row.entity),
          batch.map((row) => row.key),
          batch.map((row) => row.fromChunk),
        ],
        options,
      );
    }
  }

  async deletePoints(table: PointsTable, ids: readonly string[], options: CallOptions): Promise<void> {
    const sql = `
      delete from ${tableName(table.id)}
      where id in (
        select id from ${tableName(table.id)} where id = any($1::uuid[]) order by id for update
      )`;
    for (const batch of splitBatches(uuidsOf(ids), STATEMENT_LIMITS, ({ length }) => length)) {
      await this.#database.query(sql, [batch], options);
    }
  }
}

/** A statement may not change one row twice; the last point of an id is the one that stays. */
function encode<Given extends { id: string; payload: Payload }>(points: readonly Given[]) {
  return [...new Map(points.map((point) => [point.id, point])).values()].map((point) => ({
    ...point,
    json: JSON.stringify(point.payload),
  }));
}

/** In the order of the placeholders $1 to $6. The identity is a part of the payload, and the columns repeat it. */
function payloadColumns(points: readonly { id: string; payload: Payload; json: string }[]): BoundValue[] {
  return [
    points.map(({ id }) => id),
    points.map(({ payload }) => payload.vecpipe.tenant),
    points.map(({ payload }) => payload.vecpipe.entity),
    points.map(({ payload }) => payload.vecpipe.key),
    points.map(({ payload }) => payload.vecpipe.chunk),
    jsonTextArray(points.map(({ json }) => json)),
  ];
}
