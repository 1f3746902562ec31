import type { CallOptions, Queryable } from '../ports/database.ts';

export interface Backlog {
  /** Rows in the queue, failed and leased ones included. */
  pending: number;
  /** Rows that rest as failed. */
  failed: number;
  /** Rows under a lease that has not run out. */
  leased: number;
  /** Milliseconds until the first of those leases ends, unless it is renewed; null when there is none. */
  leaseEndsInMs: number | null;
}

export async function readBacklog(
  database: Queryable,
  tenant: string,
  entity: string,
  options: CallOptions = {},
): Promise<Backlog> {
  const { rows } = await database.query<Backlog>(
    `select
      count(*) as pending,
      count(*) filter (where available_at = 'infinity') as failed,
      count(*) filter (where lease_until >= now()) as leased,
      (extract(epoch from min(lease_until) filter (where lease_until >= now()) - now()) * 1000)::float8
        as "leaseEndsInMs"
    from vecpipe.queue where tenant = $1 and entity = $2`,
    [tenant, entity],
    options,
  );
  return rows[0] ?? { pending: 0, failed: 0, leased: 0, leaseEndsInMs: null };
}

export interface FailedRow {
  key: string;
  code: string;
  message: string;
}

/** Rows that rest as failed, in key order. */
export async function readFailedRows(
  database: Queryable,
  tenant: string,
  entity: string,
  options: CallOptions & { limit: number },
): Promise<FailedRow[]> {
  const { rows } = await database.query<FailedRow>(
    `select key, error_code as code, error as message from vecpipe.queue
    where tenant = $1 and entity = $2 and available_at = 'infinity' order by key limit $3`,
    [tenant, entity, options.limit],
    options,
  );
  return rows;
}
