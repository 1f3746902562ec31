import { readdir, readFile } from 'node:fs/promises';
import { usageError, unavailableError, VecpipeError } from '../errors/vecpipe-error.ts';
import { DatabaseError, type CallOptions, type Database, type Queryable } from '../ports/database.ts';

export interface MigrationResult {
  /** Version before, 0 for a database that vecpipe has not used yet. */
  from: number;
  to: number;
}

/** Both src/db and dist/db lie two levels below the package. */
const MIGRATIONS_FOLDER = new URL('../../sql/', import.meta.url);

/** Key of the advisory lock; any number that nobody else on the server is likely to use ("vecpipe" in ASCII). */
const LOCK_KEY = '33325525013983333';

const DEFAULT_LOCK_TIMEOUT_MS = 30_000;

export interface MigrateOptions extends CallOptions {
  /** How long to wait for another process's lock; 30 s when left out. */
  lockTimeoutMs?: number;
}

/** Highest version that this vecpipe knows. */
export async function latestVersion(): Promise<number> {
  return (await migrations()).length;
}

/**
 * Version of vecpipe's tables in a database, 0 when they are being created; null when there are none.
 * @throws {VecpipeError} `usage` when the user may not read them
 */
export async function schemaVersion(database: Queryable, options: CallOptions = {}): Promise<number | null> {
  try {
    const { rows } = await database.query<{ version: number }>(
      'select coalesce(max(version), 0) as version from vecpipe.migrations',
      [],
      options,
    );
    return rows[0]?.version ?? null;
  } catch (error) {
    // Undefined table: cheaper than asking the catalog first each time.
    if (error instanceof DatabaseError && (error.sqlState === '42P01' || error.sqlState === '3F000'))
      return null;
    throw explain(error);
  }
}

/**
 * Brings vecpipe's tables up to date, forward only: one transaction a migration, under an advisory lock, so that
 * any number of processes may do it at once. One query when there is nothing to do.
 * @throws {VecpipeError} `usage` when a newer vecpipe has migrated the database or the user lacks rights,
 *   `unavailable` when another process holds the lock, or a table, for longer than the lock timeout
 */
export async function migrate(database: Database, options: MigrateOptions = {}): Promise<MigrationResult> {
  const files = await migrations();
  const to = files.length;
  let version = (await schemaVersion(database, options)) ?? 0;
  assertKnown(version, to);
  let from: number | undefined;
  while (version < to) {
    const before = await applyNext(database, files, options);
    assertKnown(before, to);
    if (before < to) from ??= before;
    version = before + 1;
  }
  return { from: from ?? to, to };
}

/** Applies the migration that follows the version found once the lock is held; tells that version. */
async function applyNext(
  database: Database,
  files: readonly URL[],
  options: MigrateOptions,
): Promise<number> {
  const { lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS } = options;
  try {
    return await database.transaction(async (tx) => {
      await tx.query(`select set_config('lock_timeout', $1, true)`, [`${lockTimeoutMs}ms`]);
      await tx.query('select pg_advisory_xact_lock($1::bigint)', [LOCK_KEY]);
      await createBookkeeping(tx);
      const version = (await schemaVersion(tx)) ?? 0;
      const file = files[version];
      if (file) {
        await tx.execute(await readFile(file, 'utf8'));
        await tx.query('insert into vecpipe.migrations (version) values ($1)', [version + 1]);
      }
      return version;
    }, options);
  } catch (error) {
    throw explain(error);
  }
}

async function createBookkeeping(tx: Queryable): Promise<void> {
  // `create schema if not exists` asks for the right to create schemas even when the schema is there.
  const { rows } = await tx.query<{ hasSchema: boolean; hasTable: boolean }>(
    `select to_regnamespace('vecpipe') is not null as "hasSchema",
            to_regclass('vecpipe.migrations') is not null as "hasTable"`,
  );
  if (!rows[0]?.hasSchema) await tx.execute('create schema vecpipe');
  if (!rows[0]?.hasTable) {
    await tx.execute(
      'create table vecpipe.migrations (version integer primary key, applied_at timestamptz not null default now())',
    );
  }
}

/** The files in order; their names are their versions, without a gap. */
async function migrations(): Promise<URL[]> {
  const names = (await readdir(MIGRATIONS_FOLDER)).filter((name) => /^\d{6}\.sql$/.test(name)).toSorted();
  return names.map((name, index) => {
    if (Number(name.slice(0, 6)) !== index + 1)
      throw new Error(`migration ${index + 1} is missing before ${name}`);
    return new URL(name, MIGRATIONS_FOLDER);
  });
}

function assertKnown(version: number, latest: number): void {
  if (version <= latest) return;
  throw usageError(
    'database_schema_newer',
    `the database was migrated by a newer vecpipe (version ${version}, this one knows ${latest})`,
    'Upgrade vecpipe on this machine.',
  );
}

function explain(error: unknown): unknown {
  if (error instanceof VecpipeError || !(error instanceof DatabaseError)) return error;
  if (error.sqlState === '42501') {
    return usageError(
      'database_rights_missing',
      `the database user lacks the rights to keep vecpipe's tables: ${error.message}`,
      'As the owner of the database: GRANT CREATE ON DATABASE <database> TO <user>; or, where the schema exists already: ALTER SCHEMA vecpipe OWNER TO <user>.',
      error,
    );
  }
  if (error.sqlState === '55P03') {
    return unavailableError(
      'database_migration_locked',
      `another process has kept vecpipe's tables locked for too long, so they cannot be migrated`,
      'Wait for it to end and run the same command again.',
      error,
    );
  }
  return error;
}
