import { randomUUID } from 'node:crypto';
import { MICROS_PER_CREDIT } from '../credits/credits.ts';
import { settlementSql } from '../credits/settlement-sql.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { BoundValue, CallOptions, Queryable } from '../ports/database.ts';
import { nextTrySql } from './failed-sql.ts';
import type { Batch, RowResult } from './work.ts';

export interface Recorded {
  /** Rows whose result now stands. */
  recorded: Set<string>;
  /** Rows that changed while they were worked on; they stay queued and free. */
  outdated: Set<string>;
  /** Rows whose lease has passed to somebody else, or that somebody else finished otherwise. */
  lost: Set<string>;
  /** Credits that the tenant was charged. */
  charged: number;
}

/** Which texts stand behind which rows: what was bought for a row is charged when the row is recorded. */
export interface Delivery {
  /** Of the same length, a pair a text. */
  keys: readonly string[];
  textHashes: readonly string[];
}

export interface RecordOptions extends CallOptions {
  /** Of the batch's vectors, when they were bought: dropped, or kept for later, once every row is stored. */
  receipts?: { keepsVectors: boolean; vectorSpace: string } | null;
  /** Where the tenant is charged: the batch's texts. Needs the receipts, which say what is due. */
  delivery?: Delivery | null;
}

/**
 * Ends a batch: vector state, dequeue, failure reasons, receipts and the charge in one statement, hence one
 * transaction. Only rows that still carry the batch's lease token and the claimed version are recorded, and only
 * those are charged for; what was reserved beyond that is freed. May be repeated when its answer was lost.
 */
export async function recordBatch(
  database: Queryable,
  batch: Batch,
  generationId: number,
  results: readonly RowResult[],
  { receipts = null, delivery = null, ...options }: RecordOptions = {},
): Promise<Recorded> {
  const values: BoundValue[] = [
    batch.tenant,
    batch.entity,
    generationId,
    batch.leaseToken,
    ...columnsOf(results),
    batch.building,
  ];
  if (receipts !== null) values.push(receipts.keepsVectors);
  if (receipts !== null && delivery !== null) {
    values.push(delivery.keys, delivery.textHashes, batch.runId, randomUUID(), randomUUID());
    values.push(receipts.vectorSpace);
  }
  const { rows } = await retryConflicts(
    () =>
      database.query<{ key: string; current: boolean; charged: number }>(
        recordSql({
          hasFailures: results.some(({ outcome }) => outcome === 'failed'),
          hasReceipts: receipts !== null,
          isCharged: delivery !== null,
        }),
        values,
        { timeLimitMs: SHORT_STATEMENT_MS, ...options },
      ),
    options,
  );
  const current = new Map(rows.map((row) => [row.key, row.current]));
  const missing = results.filter(({ key }) => !current.has(key));
  const recorded = await findRecorded(database, batch, generationId, missing, options);
  for (const key of recorded) current.set(key, true);
  const charged =
    rows[0]?.charged ?? (delivery && recorded.length > 0 ? await findCharge(database, batch) : 0);
  const withState = (wanted: boolean | undefined) =>
    new Set(results.map((result) => result.key).filter((key) => current.get(key) === wanted));
  return {
    recorded: withState(true),
    outdated: withState(false),
    lost: withState(undefined),
    charged,
  };
}

/**
 * Rows that are gone from the queue because exactly this result was recorded: by this batch, when the answer to its
 * statement was lost and it was repeated, or by whoever took them over.
 */
async function findRecorded(
  database: Queryable,
  { tenant, entity, building }: Batch,
  generationId: number,
  missing: readonly RowResult[],
  options: CallOptions,
): Promise<string[]> {
  if (missing.length === 0) return [];
  const { rows } = await database.query<{ key: string }>(
    `select r.key from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::int4[], $9::int8[], $10::text[])
      as r(key, outcome, text_hash, payload_hash, chunks, version, error_code)
    left join vecpipe.vector_state v
      on v.generation_id = $3::int8 and v.tenant = $1 and v.entity = $2 and v.key = r.key
    left join vecpipe.queue q on q.tenant = $1 and q.entity = $2 and q.building = $11 and q.key = r.key
    where case r.outcome
      when 'stored' then q.key is null
        and v.text_hash = r.text_hash and v.payload_hash = r.payload_hash and v.chunks = r.chunks
      when 'deleted' then q.key is null and v.key is null
      when 'failed' then q.lease_token is null and q.version = r.version and q.error_code = r.error_code
      else false
    end`,
    [
      tenant,
      entity,
      generationId,
      missing.map(({ key }) => key),
      missing.map(({ outcome }) => outcome),
      ...(['textHash', 'payloadHash', 'chunks'] as const).map((name) =>
        missing.map((result) => (result.outcome === 'stored' ? result[name] : null)),
      ),
      missing.map(({ version }) => version),
      missing.map((result) => (result.outcome === 'failed' ? result.code : null)),
      building,
    ],
    options,
  );
  return rows.map(({ key }) => key);
}

/** What the tenant was charged for a batch by a statement whose answer was lost. */
async function findCharge(database: Queryable, { tenant, leaseToken }: Batch): Promise<number> {
  const { rows } = await database.query<{ charged: number }>(
    `select coalesce(sum(amount), 0)::int8 as charged from vecpipe.credit_entries
    where tenant = $1 and reservation_id = $2::uuid and kind = 'charge' and account = 'spent'`,
    [tenant, leaseToken],
  );
  return rows[0]?.charged ?? 0;
}

/** Why a part of the reservation is freed. */
const RELEASE_REASON = `(
        select case
          when count(*) filter (where held.current and held.outcome = 'failed') > 0
            then count(*) filter (where held.current and held.outcome = 'failed') || '/' || count(*) || ' rows failed'
          when count(*) filter (where held.current is not true) > 0
            then count(*) filter (where held.current is not true) || '/' || count(*) || ' rows changed meanwhile'
          else 'not needed'
        end
        from result left join held on held.key = result.key
      )`;

// Two hints for the planner that say nothing new: `= any ($5)` keeps it from walking all of a tenant's rows once for
// each row of the batch where it has no statistics (1,100 ms for 256 of 4,000), and the comparison of the lease inside
// `case` from taking the batch for one row, which it would compare with each of the others (50 ms of 80 for 256).
interface RecordParts {
  hasFailures: boolean;
  hasReceipts: boolean;
  isCharged: boolean;
}

const recordSql = ({ hasFailures, hasReceipts, isCharged }: RecordParts) => `
  with result as (
    select * from unnest(
      $5::text[], $6::int8[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int4[],
      $12::text[], $13::text[], $14::boolean[]
    ) as r(key, version, outcome, row_hash, text_hash, payload_hash, chunks, error_code, error, is_final)
  ), held as (
    -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
    select q.key, q.version = result.version as current, result.outcome, result.row_hash, result.text_hash,
      result.payload_hash, result.chunks, result.error_code, result.error, result.is_final
    from vecpipe.queue q join result on result.key = q.key
    where q.tenant = $1 and q.entity = $2 and q.building = $15 and q.key = any ($5::text[])
      and case when q.lease_token = $4::uuid then true else false end
    order by q.key
    for update of q
  ), dequeued as (
    delete from vecpipe.queue q using held
    where q.tenant = $1 and q.entity = $2 and q.building = $15 and q.key = any ($5::text[]) and q.key = held.key
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
  )${hasFailures ? RESTED_SQL : ''}, reopened as (
    update vecpipe.queue q set lease_token = null, lease_until = null, lease_run = null
    from held
    where q.tenant = $1 and q.entity = $2 and q.building = $15 and q.key = any ($5::text[]) and q.key = held.key and not held.current
  )${hasReceipts ? receiptsSql(isCharged) : ''}${isCharged ? CHARGE_SQL : ''}
  select key, current, ${isCharged ? '(select charged from settlement)' : '0'} as charged from held`;

// Left out where nothing has failed: setting `available_at` wakes whoever waits for work, if only for no row.
const RESTED_SQL = `, rested as (
    update vecpipe.queue q set
      available_at = ${nextTrySql('held.is_final')}, failures = q.failures + 1, error_code = held.error_code, error = held.error,
      failed_generation = $3::int8,
      lease_token = null, lease_until = null, lease_run = null
    from held
    where q.tenant = $1 and q.entity = $2 and q.building = $15 and q.key = any ($5::text[]) and q.key = held.key
      and held.current and held.outcome = 'failed'
  )`;

// A row that changed meanwhile, passed to another worker or failed comes again and may ask for the same vectors:
// then all of the batch's receipts stay, until they are too old.
const receiptsSql = (isCharged: boolean) => `, unfinished as (
    select from result left join held on held.key = result.key
    where held.current is not true or result.outcome = 'failed'
  )${isCharged ? BILL_SQL : ''}, spent as (
    delete from vecpipe.receipts r
    where r.tenant = $1 and r.lease_token = $4::uuid and not exists (select from unfinished)
      ${isCharged ? 'and (select count(*) from bill) >= 0' : ''}
    returning r.vector_space, r.text_hash, r.vector
  ), kept as (
    insert into vecpipe.kept_vectors (tenant, vector_space, text_hash, vector)
    select $1, vector_space, text_hash, vector from spent where $16::boolean order by text_hash
    on conflict (tenant, vector_space, text_hash) do update set used_at = now()
  )`;

// What is due for a text stands on the receipt of whoever bought it: this batch, one that died, or one that lost its
// rows to this one. It is locked before it is read, since another batch with the same text may be charging it.
const BILL_SQL = `, delivered as (
    select distinct pair.text_hash from unnest($17::text[], $18::text[]) as pair(key, text_hash)
    join held on held.key = pair.key where held.current and held.outcome = 'stored'
  ), bill as (
    select r.text_hash, r.lease_token, r.due_micros from vecpipe.receipts r
    where r.tenant = $1 and r.vector_space = $22 and r.text_hash = any (array(select text_hash from delivered))
    order by r.text_hash, r.lease_token
    for update
  )`;

// Bought by two at once, a text is still delivered once: it is charged at one price, and then it is paid for.
const CHARGE_SQL = `, paid as (
    update vecpipe.receipts r set due_micros = 0 from bill
    where r.tenant = $1 and r.vector_space = $22 and r.text_hash = bill.text_hash
      and r.lease_token = bill.lease_token and bill.due_micros > 0
      -- Those of the batch itself may be deleted by the same statement.
      and (r.lease_token <> $4::uuid or exists (select from unfinished))
  ), charge as (
    select ceil(coalesce(sum(micros), 0) / ${MICROS_PER_CREDIT}.0)::int8 as credits
    from (select max(due_micros) as micros from bill group by text_hash) as text
  ), ${settlementSql({ run: 19, chargeId: 20, releaseId: 21 }, RELEASE_REASON)}`;

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
    failed.map((result) => result?.isFinal ?? null),
  ];
}
