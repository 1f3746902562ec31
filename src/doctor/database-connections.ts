import type { CallOptions, Queryable } from '../ports/database.ts';
import { ok, warn } from './check.ts';
import type { Finding } from './check.ts';

/** What `vecpipe vectorize` opens at the most with its default settings. */
const WANTED = 6;

export interface Connections {
  /** Of the server, those kept for administrators left out. */
  maximum: number;
  used: number;
  /** Of the database, -1 where it has no limit of its own. */
  databaseMaximum: number;
  databaseUsed: number;
  /** The same for the user. */
  userMaximum: number;
  userUsed: number;
}

/** `reserved_connections` came with Postgres 16. */
export async function readConnections(database: Queryable, options: CallOptions): Promise<Connections> {
  const { rows } = await database.query<Connections>(
    `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
              - coalesce(current_setting('reserved_connections', true)::int, 0) as maximum,
            a.used, a."databaseUsed", a."userUsed",
            (select datconnlimit from pg_catalog.pg_database where datname = current_database()) as "databaseMaximum",
            (select rolconnlimit from pg_catalog.pg_roles where rolname = session_user) as "userMaximum"
     from (
       select count(*)::int as used,
              (count(*) filter (where datname = current_database()))::int as "databaseUsed",
              (count(*) filter (where usename = session_user))::int as "userUsed"
       from pg_catalog.pg_stat_activity where datid is not null
     ) a`,
    [],
    options,
  );
  const [read] = rows;
  if (!read) throw new Error('the database answered no row');
  return read;
}

export function judgeConnections(read: Connections): Finding {
  const limits = [
    { name: 'the server', maximum: read.maximum, used: read.used, setting: 'max_connections' },
    {
      name: 'the database',
      maximum: read.databaseMaximum,
      used: read.databaseUsed,
      setting: 'CONNECTION LIMIT of the database',
    },
    {
      name: 'the user',
      maximum: read.userMaximum,
      used: read.userUsed,
      setting: 'CONNECTION LIMIT of the user',
    },
  ].filter(({ maximum }) => maximum >= 0);
  const [tightest] = limits.toSorted((a, b) => a.maximum - a.used - (b.maximum - b.used));
  if (!tightest) return ok('no limit');
  const { name, maximum, used, setting } = tightest;
  const left = Math.max(0, maximum - used);
  const found = `${left} of the ${maximum} of ${name} left`;
  if (left >= WANTED) return ok(found);
  return warn(
    `${found}, and a run wants up to ${WANTED}`,
    `close connections, raise ${setting}, or run with a smaller --concurrency`,
  );
}
