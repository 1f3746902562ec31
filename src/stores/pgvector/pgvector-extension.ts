import { usageError, type VecpipeError } from '../../errors/vecpipe-error.ts';
import type { CallOptions, Database, Queryable } from '../../ports/database.ts';
import { hasSqlState } from './sql-state.ts';

const WITHOUT_PGVECTOR = 'or set QDRANT_URL to keep vectors in Qdrant';

/** The first version with HNSW and with the product of two vectors. */
const OLDEST_VERSION = [0, 5] as const;

/**
 * Looks for pgvector before any work is done.
 * @throws {VecpipeError} `usage` when the server has none, or an old one
 */
export async function checkExtension(database: Database, options: CallOptions): Promise<void> {
  const { rows } = await database.query<{ version: string }>(
    `select extversion as version from pg_extension where extname = 'vector'
     union all
     select default_version from pg_available_extensions where name = 'vector'`,
    [],
    options,
  );
  // The installed one first, if one is installed.
  const version = rows[0]?.version;
  if (version === undefined) throw extensionMissing(database.location);
  if (!isVersionFrom(version, ...OLDEST_VERSION)) {
    throw usageError(
      'pgvector_too_old',
      `pgvector in ${database.location} is version ${version}, and vecpipe needs ${OLDEST_VERSION.join('.')} or newer`,
      `upgrade pgvector and run \`alter extension vector update\`, ${WITHOUT_PGVECTOR}`,
    );
  }
}

/** Whether a version such as `0.8.1` is the given one or newer. */
export function isVersionFrom(version: string, wantedMajor: number, wantedMinor: number): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Makes the extension where it is missing. Runs under the lock of the catalogue: making it twice at once fails. */
export async function createExtension(tx: Queryable, location: string): Promise<void> {
  const { rows } = await tx.query(`select from pg_extension where extname = 'vector'`);
  if (rows.length > 0) return;
  try {
    await tx.execute('create extension if not exists vector');
  } catch (error) {
    // The control file is not there: feature_not_supported, before Postgres 15 undefined_file.
    if (hasSqlState(error, '0A000', '58P01')) throw extensionMissing(location, error);
    if (hasSqlState(error, '42501')) {
      throw usageError(
        'pgvector_forbidden',
        `the database user may not install the pgvector extension in ${location}`,
        `have an administrator run \`create extension vector\` in that database, ${WITHOUT_PGVECTOR}`,
        error,
      );
    }
    throw error;
  }
}

function extensionMissing(location: string, cause?: unknown): VecpipeError {
  return usageError(
    'pgvector_missing',
    `the Postgres server of ${location} does not have the pgvector extension`,
    `install pgvector on that server, ${WITHOUT_PGVECTOR}`,
    cause,
  );
}
