import type { DatabaseConfig, Origin } from '../config/config.ts';
import type { Database } from '../ports/database.ts';

export interface OpenDatabaseOptions {
  /** Connections to a server at the most; the embedded database has one. */
  maxConnections: number;
  /** What this process is doing, such as `vecpipe vectorize`: told to whoever finds the embedded database in use. */
  command?: string;
  signal?: AbortSignal;
}

const SOURCES: Readonly<Record<Origin, string>> = {
  flag: 'the database given by flag',
  environment: 'DATABASE_URL',
  file: 'the database in the config file',
  default: 'DATABASE_URL',
};

/**
 * Opens the database that the config chose. Only the driver that is needed is loaded.
 * @throws {VecpipeError} `unavailable` or `usage`, as the adapters say; the signal's reason when aborted
 */
export async function openDatabase(config: DatabaseConfig, options: OpenDatabaseOptions): Promise<Database> {
  const { maxConnections, signal, command } = options;
  const callOptions = signal ? { signal } : {};
  if (config.kind === 'postgres') {
    const { openPostgresDatabase } = await import('./postgres/postgres-database.ts');
    return openPostgresDatabase(
      { url: config.url, maxConnections, source: SOURCES[config.origin] },
      callOptions,
    );
  }
  const { openPgliteDatabase } = await import('./pglite/pglite-database.ts');
  return openPgliteDatabase({ folder: config.folder, ...(command ? { command } : {}) }, callOptions);
}
