import type { CallOptions, Queryable } from '../ports/database.ts';
import { HAS_FAILED } from './failed-sql.ts';
import type { WorkOf } from './work.ts';

/**
 * Queues rows again whose points were written after their lease had passed on: another worker may have stored
 * something newer before, so neither the points nor the record can be trusted.
 */
export async function requeueRows(
  database: Queryable,
  tenant: string,
  entity: string,
  keys: readonly string[],
  { building = 0, ...options }: CallOptions & WorkOf = {},
): Promise<void> {
  await database.query(
    `insert into vecpipe.queue as q (tenant, entity, building, key, operation, unconfirmed)
    select $1, $2, $4::int8, key, 'upsert', true from unnest($3::text[]) as key order by key collate "C"
    on conflict (tenant, entity, building, key) do update set version = q.version + 1, unconfirmed = true`,
    [tenant, entity, keys, building],
    options,
  );
}

/** Lets rows that have failed be claimed again. @returns how many */
export async function retryFailedRows(
  database: Queryable,
  tenant: string,
  entity: string,
  { building = 0, ...options }: CallOptions & WorkOf = {},
): Promise<number> {
  const { changed } = await database.query(
    `with resting as (
      -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
      select key from vecpipe.queue q
      where tenant = $1 and entity = $2 and building = $3 and ${HAS_FAILED}
      order by key
      for update
    )
    update vecpipe.queue q set available_at = now(), attempts = 0, failures = 0, error_code = null,
      error = null
    from resting where q.tenant = $1 and q.entity = $2 and q.building = $3 and q.key = resting.key`,
    [tenant, entity, building],
    options,
  );
  return changed;
}
