import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { WorkOf } from './work.ts';

/**
 * Frees whatever a run holds of a tenant's entity, for a run that has no batch under way: a claim whose answer was
 * lost, or leases that could not be given back. What may have been written for the rows stays unconfirmed.
 * @returns how many rows were freed
 */
export async function releaseRun(
  database: Queryable,
  tenant: string,
  entity: string,
  runId: string,
  { building = 0, ...options }: CallOptions & WorkOf = {},
): Promise<number> {
  const { changed } = await database.query(
    `with held as (
      -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
      select key from vecpipe.queue
      where tenant = $1 and entity = $2 and building = $4 and lease_run = $3::uuid
      order by key
      for update
    )
    update vecpipe.queue q set lease_token = null, lease_until = null, lease_run = null
    from held where q.tenant = $1 and q.entity = $2 and q.building = $4 and q.key = held.key`,
    [tenant, entity, runId, building],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  return changed;
}
