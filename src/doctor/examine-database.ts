import type { Config } from '../config/config.ts';
import { shownFile } from '../config/shown-file.ts';
import { openDatabase } from '../db/open-database.ts';
import type { Scope } from '../lifetime/scope.ts';
import type { Database } from '../ports/database.ts';
import type { Finding } from './check.ts';
import type { CheckList } from './check-list.ts';
import { checkClock } from './database-clock.ts';
import { judgeConnections, readConnections } from './database-connections.ts';
import { checkFutureDatabase, hasEmbeddedDatabase } from './database-folder.ts';
import { judgeVersions, readVersions } from './database-migrations.ts';
import type { SchemaVersions } from './database-migrations.ts';
import { judgePgvector, readPgvector } from './database-pgvector.ts';
import { judgeRights, readRights } from './database-rights.ts';
import { checkAnswer, checkServerVersion, checkWritable } from './database-server.ts';
import { checkDiskSpace } from './disk-space.ts';

/** With less free space the embedded database refuses to write, as its engine says. */
const EMBEDDED_MINIMUM_BYTES = 64 * 1024 ** 2;

const MAX_CONNECTIONS = 2;

export interface DatabaseSurvey {
  config: Config;
  /** The database and why it was chosen, for people. */
  choice: string;
  workingDirectory: string;
  scope: Scope;
}

/** A database that was examined, and what cannot be examined with it. */
export interface ExaminedDatabase {
  database: Database | null;
  /** Why nothing that needs the database can be looked at, or null. */
  blockedBy: string | null;
  /** Why nothing that needs vecpipe's tables can be looked at, or null. */
  tablesBlockedBy: string | null;
  /** Why pgvector cannot be looked at as a store, or null. */
  pgvectorBlockedBy: string | null;
}

/** Looks at the database without changing it: nothing is migrated, and one that is not there is not made. */
export async function examineDatabase(checks: CheckList, survey: DatabaseSurvey): Promise<ExaminedDatabase> {
  const { config } = survey;
  const opened = await openExisting(checks, survey);
  const { database, blockedBy } = opened;
  const look = (
    id: string,
    subject: string,
    work: (database: Database, signal: AbortSignal) => Promise<Finding>,
  ) =>
    checks.run({ id, subject, blockedBy }, (signal) => {
      if (database === null) throw new Error('the database is not open');
      return work(database, signal);
    });

  await look('database_version', 'database version', (db, signal) => checkServerVersion(db, { signal }));
  await look('database_writable', 'database writes', (db, signal) => checkWritable(db, { signal }));
  let versions: SchemaVersions | null = null;
  await look('database_migrations', "vecpipe's tables", async (db, signal) => {
    versions = await readVersions(db, { signal });
    return judgeVersions(versions);
  });
  const needed = { isBehind: isBehind(versions), makesTables: config.store.kind === 'pgvector' };
  await look('database_rights', 'database rights', async (db, signal) =>
    judgeRights(await readRights(db, { signal }), needed),
  );
  let pgvectorBlockedBy = blockedBy;
  if (config.store.kind === 'pgvector') {
    const { status } = await look('database_pgvector', 'pgvector', async (db, signal) =>
      judgePgvector(await readPgvector(db, { signal })),
    );
    if (status === 'fail') pgvectorBlockedBy = 'pgvector cannot be used';
  }
  // The embedded one has this machine's clock, and one connection.
  if (config.database.kind === 'postgres') {
    await look('database_clock', 'database clock', (db, signal) => checkClock(db, { signal }));
    await look('database_connections', 'database connections', async (db, signal) =>
      judgeConnections(await readConnections(db, { signal })),
    );
  }
  return { ...opened, tablesBlockedBy: blockedBy ?? tablesProblem(versions), pgvectorBlockedBy };
}

async function openExisting(
  checks: CheckList,
  { config, choice, workingDirectory, scope }: DatabaseSurvey,
): Promise<Pick<ExaminedDatabase, 'database' | 'blockedBy'>> {
  const name = { id: 'database', subject: 'database' };
  if (config.database.kind === 'pglite') {
    const { folder } = config.database;
    await checks.run({ id: 'disk_space', subject: 'disk of the database' }, () =>
      checkDiskSpace(folder, {
        shown: shownFile(folder, workingDirectory),
        minimumBytes: EMBEDDED_MINIMUM_BYTES,
      }),
    );
    if (!hasEmbeddedDatabase(folder)) {
      const { status } = await checks.run(name, () => checkFutureDatabase(folder, choice));
      const reason =
        status === 'ok' ? 'the embedded database is not made yet' : 'the embedded database cannot be made';
      return { database: null, blockedBy: reason };
    }
  }
  let database: Database | null = null;
  const { status } = await checks.run(name, async (signal) => {
    const opened = await openDatabase(config.database, {
      maxConnections: MAX_CONNECTIONS,
      command: 'vecpipe doctor',
      signal,
    });
    database = scope.use('the database', opened);
    return checkAnswer(opened, choice, { signal });
  });
  return status === 'ok'
    ? { database, blockedBy: null }
    : { database: null, blockedBy: 'the database cannot be used' };
}

function isBehind(versions: SchemaVersions | null): boolean {
  return versions !== null && versions.found < versions.latest;
}

function tablesProblem(versions: SchemaVersions | null): string | null {
  if (versions === null) return "vecpipe's tables cannot be read";
  if (versions.found === 0) return "vecpipe's tables are not made yet";
  return versions.found === versions.latest ? null : "vecpipe's tables have another version";
}
