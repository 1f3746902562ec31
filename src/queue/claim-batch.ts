import { randomUUID } from 'node:crypto';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Batch, ClaimedRow } from './work.ts';

export interface ClaimOptions extends CallOptions {
  tenant: string;
  entity: string;
  runId: string;
  limit: number;
  leaseMs: number;
}

/**
 * Leases up to `limit` queued rows, oldest first, skipping those that another worker holds. One statement, one
 * round trip; the lease is all that is left of it.
 * @returns null when nothing can be claimed now
 */
export async function claimBatch(database: Queryable, options: ClaimOptions): Promise<Batch | null> {
  const { tenant, entity, runId, limit, leaseMs } = options;
  const leaseToken = randomUUID();
  // Taken before the statement is sent: the lease in the database can only end later than this.
  const leaseValidUntil = performance.now() + leaseMs;
  const { rows } = await database.query<ClaimedRow>(
    `with picked as (
      select key, unconfirmed from vecpipe.queue
      where tenant = $1 and entity = $2 and available_at <= now() and (lease_until is null or lease_until < now())
      order by available_at, key
      limit $3
      for update skip locked
    )
    update vecpipe.queue q set
      lease_token = $4::uuid,
      lease_until = now() + $5::float8 * interval '1 millisecond',
      lease_run = $6::uuid,
      attempts = q.attempts + 1,
      unconfirmed = true
    from picked
    where q.tenant = $1 and q.entity = $2 and q.key = picked.key
      -- Says nothing new, but keeps the planner from walking the whole queue for each row (see record-batch.ts).
      and q.key = any (array(select key from picked))
    returning q.key, q.operation, q.version, q.attempts, picked.unconfirmed`,
    [tenant, entity, limit, leaseToken, leaseMs, runId],
    options,
  );
  if (rows.length === 0) return null;
  rows.sort((a, b) => (a.key < b.key ? -1 : 1));
  return { tenant, entity, leaseToken, rows, leaseValidUntil };
}
