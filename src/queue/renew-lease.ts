import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Batch } from './work.ts';

/**
 * Extends a batch's lease, and its reservation with it, by `leaseMs` from now.
 * @returns false when another worker has taken any of its rows: the batch must be given up
 */
export async function renewLease(
  database: Queryable,
  batch: Batch,
  options: CallOptions & { leaseMs: number },
): Promise<boolean> {
  if (!(await renewOnce(database, batch, options))) return false;
  if (performance.now() < batch.leaseValidUntil) return true;
  // It had to wait for the database, and what it says of the lease's end is over already.
  return renewOnce(database, batch, options);
}

async function renewOnce(
  database: Queryable,
  batch: Batch,
  { leaseMs, ...options }: CallOptions & { leaseMs: number },
): Promise<boolean> {
  // Taken before the statement is sent: the lease in the database can only end later than this.
  const leaseValidUntil = performance.now() + leaseMs;
  const { changed } = await database.query(
    `with held as (
      -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
      select key from vecpipe.queue
      where tenant = $1 and entity = $2 and building = $6 and key = any ($3::text[]) and lease_token = $4::uuid
      order by key
      for update
    ), reserved as (
      update vecpipe.credit_reservations set expires_at = now() + $5::float8 * interval '1 millisecond'
      where tenant = $1 and id = $4::uuid
    )
    update vecpipe.queue q set lease_until = now() + $5::float8 * interval '1 millisecond'
    from held where q.tenant = $1 and q.entity = $2 and q.building = $6 and q.key = held.key`,
    [batch.tenant, batch.entity, batch.rows.map((row) => row.key), batch.leaseToken, leaseMs, batch.building],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  if (changed < batch.rows.length) return false;
  batch.leaseValidUntil = leaseValidUntil;
  return true;
}
