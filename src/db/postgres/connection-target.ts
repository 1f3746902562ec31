import { Client } from 'pg';
import { usageError } from '../../errors/vecpipe-error.ts';

export interface ConnectionTarget {
  /** What the driver is given. */
  connectionString: string;
  /** `host:port/database` for people: no user, password or query string. */
  location: string;
}

/** Scheme, authority, path, the rest. */
const URL_PARTS = /^postgres(?:ql)?:\/\/([^/?#]*)(\/[^?#]*)?(.*)$/s;

/**
 * Reads a connection URL the way the driver does, PG* environment variables included. Does not connect.
 * @param source where the URL was taken from, such as `DATABASE_URL`
 * @throws {VecpipeError} `usage` when it is not a Postgres URL; the message does not quote it
 */
export function connectionTarget(url: string, source: string): ConnectionTarget {
  const parts = URL_PARTS.exec(url);
  if (!parts) throw notAPostgresUrl(source);
  const [, authority = '', path = '', rest = ''] = parts;
  // A password with a bare / ? or # ends the authority too early, and its tail would pass for a database name.
  if (rest.includes('#') || (!authority.includes('@') && `${path}${rest}`.includes('@'))) {
    throw notAPostgresUrl(source);
  }
  const connectionString = withExplicitTlsMode(url);
  try {
    const { host, port, database } = new Client({ connectionString });
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    // Without a database in the URL the driver takes the user's name, which is not shown.
    return { connectionString, location: path.length > 1 ? `${address}/${database ?? ''}` : address };
  } catch {
    // The error of a URL parser holds the URL, and with it the password.
    throw notAPostgresUrl(source);
  }
}

/**
 * The driver checks the certificate for `prefer`, `require` and `verify-ca` as it does for `verify-full`, but
 * prints a process warning that this will change. The strict reading is the one that we want.
 */
function withExplicitTlsMode(url: string): string {
  if (/[?&]uselibpqcompat=true/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full');
}

function notAPostgresUrl(source: string): Error {
  return usageError(
    'database_url_invalid',
    `${source} is not the URL of a Postgres server`,
    'Write it as postgres://user:password@host:5432/database, with characters such as @ : / ? # % of a password percent-encoded.',
  );
}
