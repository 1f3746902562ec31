import { retryConflicts } from '../db/retry-conflicts.ts';
import type { BoundValue, CallOptions, Queryable } from '../ports/database.ts';
import type { Batch, RowResult } from './work.ts';

export interface Recorded {
  /** Rows whose result now stands. */
  recorded: Set<string>;
  /** Rows that changed while they were worked on; they stay queued and free. */
  outdated: Set<string>;
  /** Rows whose lease has passed to somebody else, or that somebody else finished. */
  lost: Set<string>;
}

export interface RecordOptions extends CallOptions {
  /** Of the batch's vectors, when they were bought: dropped, or kept for later, once every row is stored. */
  receipts?: { keepsVectors: boolean } | null;
}

/**
 * Ends a batch: vector state, dequeue, failure reasons and receipts in one statement, hence one transaction. Only
 * rows that still carry the batch's lease token and the claimed version are recorded.
 */
export async function recordBatch(
  database: Queryable,
  batch: Batch,
  generationId: number,
  results: readonly RowResult[],
  { receipts = null, ...options }: RecordOptions = {},
): Promise<Recorded> {
  const values: BoundValue[] = [
    batch.tenant,
    batch.entity,
    generationId,
    batch.leaseToken,
    ...columnsOf(results),
  ];
  if (receipts !== null) values.push(receipts.keepsVectors);
  const { rows } = await retryConflicts(
    () => database.query<{ key: string; current: boolean }>(recordSql(receipts !== null), values, options),
    options,
  );
  const current = new Map(rows.map((row) => [row.key, row.current]));
  const withState = (wanted: boolean | undefined) =>
    new Set(results.map((result) => result.key).filter((key) => current.get(key) === wanted));
  return { recorded: withState(true), outdated: withState(false), lost: withState(undefined) };
}

// Two hints for the planner that say nothing new: `= any ($5)` keeps it from walking all of a tenant's rows once for
// each row of the batch where it has no statistics (1,100 ms for 256 of 4,000), and the comparison of the lease inside
// `case` from taking the batch for one row, which it would compare with each of the others (50 ms of 80 for 256).
const recordSql = (hasReceipts: boolean) => `
  with result as (
    select * from unnest(
      $5::text[], $6::int8[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int4[],
      $12::text[], $13::text[]
    ) as r(key, version, outcome, row_hash, text_hash, payload_hash, chunks, error_code, error)
  ), held as (
    -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
    select q.key, q.version = result.version as current, result.outcome, result.row_hash, result.text_hash,
      result.payload_hash, result.chunks, result.error_code, result.error
    from vecpipe.queue q join result on result.key = q.key
    where q.tenant = $1 and q.entity = $2 and q.key = any ($5::text[])
      and case when q.lease_token = $4::uuid then true else false end
    order by q.key
    for update of q
  ), dequeued as (
    delete from vecpipe.queue q using held
    where q.tenant = $1 and q.entity = $2 and q.key = any ($5::text[]) and q.key = held.key
      and held.current and held.outcome <> 'failed'
  ), stored as (
    insert into vecpipe.vector_state
      (generation_id, tenant, entity, key, row_hash, text_hash, payload_hash, chunks)
    select $3::int8, $1, $2, key, decode(row_hash, 'hex'), text_hash, payload_hash, chunks
    from held where current and outcome = 'stored'
    on conflict (generation_id, tenant, entity, key) do update set
      row_hash = excluded.row_hash, text_hash = excluded.text_hash, payload_hash = excluded.payload_hash,
      chunks = excluded.chunks, stored_at = now()
  ), forgotten as (
    delete from vecpipe.vector_state v using held
    where v.generation_id = $3::int8 and v.tenant = $1 and v.entity = $2 and v.key = any ($5::text[])
      and v.key = held.key and held.current and held.outcome = 'deleted'
  ), doubted as (
    update vecpipe.vector_state v set row_hash = null, text_hash = '' from held
    where v.generation_id = $3::int8 and v.tenant = $1 and v.entity = $2 and v.key = any ($5::text[])
      and v.key = held.key and held.current and held.outcome = 'dropped'
  ), rested as (
    update vecpipe.queue q set
      available_at = 'infinity', error_code = held.error_code, error = held.error,
      failed_generation = $3::int8,
      lease_token = null, lease_until = null, lease_run = null
    from held
    where q.tenant = $1 and q.entity = $2 and q.key = any ($5::text[]) and q.key = held.key
      and held.current and held.outcome = 'failed'
  ), reopened as (
    update vecpipe.queue q set lease_token = null, lease_until = null, lease_run = null
    from held
    where q.tenant = $1 and q.entity = $2 and q.key = any ($5::text[]) and q.key = held.key and not held.current
  )${hasReceipts ? RECEIPTS_SQL : ''}
  select key, current from held`;

// A row that changed meanwhile, passed to another worker or failed comes again and may ask for the same vectors:
// then all of the batch's receipts stay, until they are too old.
const RECEIPTS_SQL = `, spent as (
    delete from vecpipe.receipts r
    where r.tenant = $1 and r.lease_token = $4::uuid and not exists (
      select from result left join held on held.key = result.key
      where held.current is not true or result.outcome = 'failed'
    )
    returning r.vector_space, r.text_hash, r.vector
  ), kept as (
    insert into vecpipe.kept_vectors (tenant, vector_space, text_hash, vector)
    select $1, vector_space, text_hash, vector from spent where $14::boolean order by text_hash
    on conflict (tenant, vector_space, text_hash) do update set used_at = now()
  )`;

function columnsOf(results: readonly RowResult[]) {
  const stored = results.map((result) => (result.outcome === 'stored' ? result : null));
  const failed = results.map((result) => (result.outcome === 'failed' ? result : null));
  return [
    results.map((result) => result.key),
    results.map((result) => result.version),
    results.map((result) => result.outcome),
    stored.map((result) => result?.rowHash ?? null),
    stored.map((result) => result?.textHash ?? null),
    stored.map((result) => result?.payloadHash ?? null),
    stored.map((result) => result?.chunks ?? null),
    failed.map((result) => result?.code ?? null),
    failed.map((result) => result?.reason ?? null),
  ];
}
