import { randomBytes, randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseConfig } from '../../src/config/config.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { openPgliteDatabase } from '../../src/db/pglite/pglite-database.ts';
import { quoteIdentifier } from '../../src/db/quote.ts';
import type { Database } from '../../src/ports/database.ts';

/** A database of its own for one test file. Disposal removes it; what was opened is closed by whoever opened it. */
export interface TestDatabase extends AsyncDisposable {
  readonly config: DatabaseConfig;
  /** For a spawned process that is to use this database; `undefined` unsets a variable. */
  readonly environment: { DATABASE_URL: string | undefined; VECPIPE_HOME: string };
  /** Whether `create extension vector` can succeed. */
  readonly hasPgvector: boolean;
  /** One connection pool more; the caller disposes. An embedded database can be open once at a time. */
  open(options?: { maxConnections?: number; signal?: AbortSignal }): Promise<Database>;
}

export interface DatabaseVariant {
  readonly name: 'PGlite' | 'Postgres';
  readonly kind: Database['kind'];
  /** An empty database: no schema `vecpipe`, no tables. */
  create(): Promise<TestDatabase>;
}

const PGLITE: DatabaseVariant = { name: 'PGlite', kind: 'pglite', create: createPglite };
const POSTGRES: DatabaseVariant = { name: 'Postgres', kind: 'postgres', create: createPostgres };

/** URL of a server on which databases may be created and dropped, or undefined. */
export const testDatabaseUrl = process.env.TEST_DATABASE_URL || undefined;

if (testDatabaseUrl === undefined) {
  console.warn('skipped: everything on a Postgres server, because TEST_DATABASE_URL is not set');
}

/** The variants that every suite over a database runs on: PGlite, and a Postgres server where there is one. */
export function availableDatabases(): DatabaseVariant[] {
  return testDatabaseUrl === undefined ? [PGLITE] : [PGLITE, POSTGRES];
}

async function createPglite(): Promise<TestDatabase> {
  const home = await mkdtemp(join(tmpdir(), 'vecpipe-test-'));
  const folder = join(home, 'pgdata');
  await cp(await pgliteTemplate(), folder, { recursive: true, mode: constants.COPYFILE_FICLONE });
  return testDatabase({ kind: 'pglite', folder, origin: 'environment' }, home, true, async () => {});
}

async function createPostgres(): Promise<TestDatabase> {
  const name = `vecpipe_test_${randomBytes(6).toString('hex')}`;
  const hasPgvector = await onServer(async (server) => {
    // template1 cannot be copied while somebody else is connected to it.
    await server.query(`create database ${quoteIdentifier(name)} template template0`);
    return (await server.query(`select from pg_available_extensions where name = 'vector'`)).rows.length > 0;
  });
  const url = new URL(testDatabaseUrl ?? '');
  url.pathname = `/${name}`;
  const home = await mkdtemp(join(tmpdir(), 'vecpipe-test-'));
  return testDatabase({ kind: 'postgres', url: url.href, origin: 'environment' }, home, hasPgvector, () =>
    onServer(async (server) => {
      await server.query(`drop database ${quoteIdentifier(name)} with (force)`);
    }),
  );
}

function testDatabase(
  config: DatabaseConfig,
  home: string,
  hasPgvector: boolean,
  drop: () => Promise<void>,
): TestDatabase {
  return {
    config,
    hasPgvector,
    environment: { DATABASE_URL: config.kind === 'postgres' ? config.url : undefined, VECPIPE_HOME: home },
    open: (options = {}) => openDatabase(config, { maxConnections: 4, ...options }),
    [Symbol.asyncDispose]: async () => {
      await drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function onServer<Result>(work: (server: Database) => Promise<Result>): Promise<Result> {
  await using server = await openDatabase(
    { kind: 'postgres', url: testDatabaseUrl ?? '', origin: 'environment' },
    { maxConnections: 1 },
  );
  return await work(server);
}

/** A folder with an empty database to copy: creating one takes three seconds, copying it a tenth of one. */
async function pgliteTemplate(): Promise<string> {
  // The package does not export its package.json, so it is found from its entry.
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const manifest = await readFile(join(dirname(entry), '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const cache = fileURLToPath(new URL('../../node_modules/.cache/vecpipe/', import.meta.url));
  const template = join(cache, `pglite-${version}`);
  if (existsSync(template)) return template;
  await mkdir(cache, { recursive: true });
  const draft = join(cache, `draft-${randomUUID()}`);
  await (await openPgliteDatabase({ folder: draft }))[Symbol.asyncDispose]();
  // Several test files may be at this at once; the first one to finish wins.
  await rename(draft, template).catch(() => rm(draft, { recursive: true, force: true }));
  return template;
}
