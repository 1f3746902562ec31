import { randomUUID } from 'node:crypto';
import { settlementSql } from '../credits/settlement-sql.ts';
import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Batch } from './work.ts';

export interface ReleaseOptions extends CallOptions {
  /** Whether points may have been written; when not, what is recorded is still to be trusted. */
  written: boolean;
  /** Why, for the entry that frees its reservation. */
  reason: string;
}

/**
 * Gives a batch back unfinished, lease and reservation in one statement: its rows can be claimed at once, by
 * anybody, and the attempt does not count.
 * @returns the keys of rows that were not the batch's any more
 */
export async function releaseBatch(
  database: Queryable,
  batch: Batch,
  { written, reason, ...options }: ReleaseOptions,
): Promise<string[]> {
  const keys = batch.rows.map((row) => row.key);
  const { rows } = await database.query<{ key: string }>(
    RELEASE_SQL,
    [
      batch.tenant,
      batch.entity,
      keys,
      batch.leaseToken,
      written,
      batch.rows.map((row) => row.unconfirmed),
      batch.runId,
      randomUUID(),
      randomUUID(),
      reason,
      batch.building,
    ],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  const released = new Set(rows.map((row) => row.key));
  return keys.filter((key) => !released.has(key));
}

const RELEASE_SQL = `
  with held as (
    -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
    select key from vecpipe.queue
    where tenant = $1 and entity = $2 and building = $11 and key = any ($3::text[]) and lease_token = $4::uuid
    order by key
    for update
  ), charge as (
    select 0::int8 as credits
  ), ${settlementSql({ run: 7, chargeId: 8, releaseId: 9 }, '$10')}
  update vecpipe.queue q set
    lease_token = null, lease_until = null, lease_run = null,
    attempts = greatest(q.attempts - 1, 0),
    unconfirmed = given.unconfirmed or $5::boolean
  from held join unnest($3::text[], $6::boolean[]) as given(key, unconfirmed) on given.key = held.key
  where q.tenant = $1 and q.entity = $2 and q.building = $11 and q.key = held.key
  returning q.key`;
