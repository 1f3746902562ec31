import type { CallOptions, Queryable } from '../ports/database.ts';
import { HAS_FAILED } from './failed-sql.ts';
import type { WorkOf } from './work.ts';

export interface Backlog {
  /** Rows in the queue, failed and leased ones included. */
  pending: number;
  /** Rows that have failed and are not due: they rest, or wait for their next try. */
  failed: number;
  /** Rows that have failed and were not done since, whether they are due or not. */
  unrepaired: number;
  /** Rows under a lease that has not run out. */
  leased: number;
  /** Milliseconds until the first of those leases ends, unless it is renewed; null when there is none. */
  leaseEndsInMs: number | null;
}

export async function readBacklog(
  database: Queryable,
  tenant: string,
  entity: string,
  { building = 0, ...options }: CallOptions & WorkOf = {},
): Promise<Backlog> {
  const { rows } = await database.query<Backlog>(
    `select
      count(*) as pending,
      count(*) filter (where ${HAS_FAILED}) as failed,
      count(*) filter (where error_code is not null) as unrepaired,
      count(*) filter (where lease_until >= now()) as leased,
      (extract(epoch from min(lease_until) filter (where lease_until >= now()) - now()) * 1000)::float8
        as "leaseEndsInMs"
    from vecpipe.queue q where tenant = $1 and entity = $2 and building = $3`,
    [tenant, entity, building],
    options,
  );
  return rows[0] ?? { pending: 0, failed: 0, unrepaired: 0, leased: 0, leaseEndsInMs: null };
}

export interface FailedRow {
  key: string;
  code: string;
  message: string;
}

/** Rows that have failed and were not done since, in key order. */
export async function readFailedRows(
  database: Queryable,
  tenant: string,
  entity: string,
  { limit, building = 0, ...options }: CallOptions & WorkOf & { limit: number },
): Promise<FailedRow[]> {
  const { rows } = await database.query<FailedRow>(
    `select key, error_code as code, error as message from vecpipe.queue q
    where tenant = $1 and entity = $2 and building = $4 and error_code is not null order by key limit $3`,
    [tenant, entity, limit, building],
    options,
  );
  return rows;
}
