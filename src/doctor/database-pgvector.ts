import type { CallOptions, Queryable } from '../ports/database.ts';
import { isVersionFrom } from '../stores/pgvector/pgvector-extension.ts';
import { fail, ok, warn } from './check.ts';
import type { Finding } from './check.ts';

/** The first version that vecpipe takes, as the store itself says it. */
const OLDEST = [0, 5] as const;

export interface Pgvector {
  /** Version that is installed in the database, or null. */
  installed: string | null;
  /** Version that the server could install, or null. */
  available: string | null;
  /** Whether Postgres itself would let this user install it; some hosted servers let more users do it. */
  mayInstall: boolean;
}

export async function readPgvector(database: Queryable, options: CallOptions): Promise<Pgvector> {
  const { rows } = await database.query<Pgvector>(
    `select (select extversion from pg_catalog.pg_extension where extname = 'vector') as installed,
            a.default_version as available,
            (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
              or coalesce(
                (select v.trusted from pg_catalog.pg_available_extension_versions v
                 where v.name = 'vector' and v.version = a.default_version)
                and has_database_privilege(current_database(), 'CREATE'),
                false
              ) as "mayInstall"
     from (select 1) one left join pg_catalog.pg_available_extensions a on a.name = 'vector'`,
    [],
    options,
  );
  return rows[0] ?? { installed: null, available: null, mayInstall: false };
}

export function judgePgvector({ installed, available, mayInstall }: Pgvector): Finding {
  const orQdrant = 'or set QDRANT_URL to keep vectors in Qdrant';
  const version = installed ?? available;
  if (version === null) {
    return fail('the server does not have pgvector', `install pgvector on that server, ${orQdrant}`);
  }
  if (!isVersionFrom(version, ...OLDEST)) {
    return fail(
      `version ${version} is older than ${OLDEST.join('.')}`,
      `upgrade pgvector and run ALTER EXTENSION vector UPDATE, ${orQdrant}`,
    );
  }
  if (installed !== null) return ok(`version ${installed} is installed`);
  if (mayInstall) return ok(`version ${version} is there and will be installed when it is needed`);
  return warn(
    `version ${version} is there, but this user may not be allowed to install it`,
    'have an administrator run CREATE EXTENSION vector in that database',
  );
}
