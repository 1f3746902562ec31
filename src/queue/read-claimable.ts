import type { CallOptions, Queryable } from '../ports/database.ts';

/** A tenant's entity. */
export interface QueuePart {
  tenant: string;
  entity: string;
}

/** Those among the tenants' entities of which a row could be claimed now. */
export async function readClaimable(
  database: Queryable,
  tenants: readonly string[],
  entities: readonly string[],
  options: CallOptions = {},
): Promise<QueuePart[]> {
  const { rows } = await database.query<QueuePart>(
    `select t.tenant, e.entity from unnest($1::text[]) as t(tenant) cross join unnest($2::text[]) as e(entity)
    where exists (
      select from vecpipe.queue q
      where q.tenant = t.tenant and q.entity = e.entity and q.building = 0 and q.available_at <= now()
        and (q.lease_until is null or q.lease_until < now())
    )`,
    [tenants, entities],
    options,
  );
  return rows;
}
