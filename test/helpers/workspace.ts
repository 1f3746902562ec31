import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import type { Database } from '../../src/ports/database.ts';
import type { EntityReport } from '../../src/cli/run-command.ts';
import type { Failure } from '../../src/pipeline/counts.ts';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { quoteIdentifier } from '../../src/db/quote.ts';
import { availableDatabases } from './databases.ts';
import type { TestDatabase } from './databases.ts';
import { runVecpipe, startVecpipe } from './run-vecpipe.ts';
import type { Ended, Environment, Running, SpawnOptions } from './run-vecpipe.ts';
import { testPgvectorUrl, testQdrantUrl } from './stores.ts';

/** The one object that `--json` prints. */
export interface Report {
  command: string;
  runId: string | null;
  exitCode: number;
  durationMs: number;
  entities: EntityReport[];
  failures: Failure[];
  error: { code: string; message: string; hint?: string } | null;
}

/** A folder to run vecpipe in, with a database of its own. Disposal removes both, and the collections in Qdrant. */
export interface Workspace extends AsyncDisposable {
  readonly folder: string;
  readonly environment: Environment;
  /** Tenant that no other workspace of the same store has. */
  readonly tenant: string;
  /** Name of an entity's collection. */
  collection(entity: string): string;
  /** Writes a file into the folder; a name that ends in `.gz` is compressed. */
  write(name: string, content: string | Uint8Array): Promise<void>;
  /** Runs a command for the workspace's tenant; `tenant: false` leaves that flag out. */
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
  start(args: readonly string[], options?: RunOptions): Running;
  /** Runs a command with `--json` and checks what every such object must have. */
  json<Fields = object>(
    args: readonly string[],
    options?: RunOptions,
  ): Promise<Report & Fields & { stderr: string }>;
  /** Runs SQL while no vecpipe process is running. */
  sql<Row = Record<string, unknown>>(...statements: string[]): Promise<Row[]>;
}

export interface RunOptions extends Partial<SpawnOptions> {
  tenant?: false;
}

export interface WorkspaceVariant {
  readonly name: 'everything embedded' | 'Postgres and Qdrant' | 'Postgres with pgvector';
  readonly isEmbedded: boolean;
  create(environment?: Environment): Promise<Workspace>;
}

export const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));

const [PGLITE, POSTGRES] = availableDatabases();
if (PGLITE === undefined) throw new Error('there is always an embedded database');

export const embedded: WorkspaceVariant = {
  name: 'everything embedded',
  isEmbedded: true,
  create: async (environment) => createWorkspace(await PGLITE.create(), '1', environment),
};

/** Postgres and Qdrant servers, where both were named; printed as skipped elsewhere. */
export const servers: WorkspaceVariant | null =
  POSTGRES === undefined || testQdrantUrl === undefined
    ? null
    : {
        name: 'Postgres and Qdrant',
        isEmbedded: false,
        create: async (environment) => {
          const tenant = `t${randomBytes(6).toString('hex')}`;
          return createWorkspace(await POSTGRES.create(), tenant, {
            QDRANT_URL: testQdrantUrl,
            ...environment,
          });
        },
      };

if (servers === null) {
  console.warn(
    'skipped: the built program on servers, because TEST_DATABASE_URL and TEST_QDRANT_URL are not both set',
  );
}

/** A server that keeps the vectors too, where one was named. */
const pgvector: WorkspaceVariant | null =
  testPgvectorUrl === undefined
    ? null
    : {
        name: 'Postgres with pgvector',
        isEmbedded: false,
        create: async (environment) =>
          createWorkspace(await createPgvector(testPgvectorUrl ?? ''), '1', environment),
      };

export const workspaces: readonly WorkspaceVariant[] = [embedded, servers, pgvector].filter(
  (variant) => variant !== null,
);

/** For what does not depend on the variant: servers where there are some, since their runs start three times as fast. */
export const quickest: WorkspaceVariant = servers ?? embedded;

/** For tests that need servers and whose skipping was printed already. */
export async function createOnServers(environment?: Environment): Promise<Workspace> {
  if (servers === null) throw new Error('there are no servers');
  return servers.create(environment);
}

type WorkspaceDatabase = Pick<TestDatabase, 'environment' | 'open'> & AsyncDisposable;

async function createPgvector(serverUrl: string): Promise<WorkspaceDatabase> {
  const name = `vecpipe_test_${randomBytes(6).toString('hex')}`;
  const onServer = async (sql: string) => {
    await using server = await openPostgresDatabase({ url: serverUrl, maxConnections: 1 });
    await server.query(sql);
  };
  await onServer(`create database ${quoteIdentifier(name)} template template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    environment: { DATABASE_URL: url.href, VECPIPE_HOME: '/dev/null' },
    open: () => openPostgresDatabase({ url: url.href, maxConnections: 1 }),
    [Symbol.asyncDispose]: () => onServer(`drop database ${quoteIdentifier(name)} with (force)`),
  };
}

async function createWorkspace(
  database: WorkspaceDatabase,
  tenant: string,
  given: Environment = {},
): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-e2e-'));
  const environment: Environment = { ...database.environment, ...given };
  const start = (args: readonly string[], options: RunOptions = {}) => {
    const { tenant: wanted, ...rest } = options;
    return startVecpipe(wanted === false ? args : [...args, '--tenant', tenant], {
      cwd: folder,
      ...rest,
      environment: { ...environment, ...rest.environment },
    });
  };
  return {
    folder,
    environment,
    tenant,
    collection: (entity) => `client_${tenant}_${entity}`,
    write: async (name, content) => {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, name.endsWith('.gz') ? gzipSync(content) : content);
    },
    start,
    run: (args, options) => start(args, options).ended,
    json: async <Fields>(args: readonly string[], options?: RunOptions) =>
      readReport<Fields>(await start([...args, '--json'], options).ended),
    sql: async <Row>(...statements: string[]) => {
      await using opened: Database = await database.open();
      let rows: Row[] = [];
      for (const statement of statements) rows = (await opened.query<Row>(statement)).rows;
      return rows;
    },
    [Symbol.asyncDispose]: async () => {
      if (environment.QDRANT_URL !== undefined) await deleteCollections(testQdrantUrl ?? '', tenant);
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Exactly one object on one line, which tells the exit code that the process ended with. */
export function readReport<Fields = object>(ended: Ended): Report & Fields & { stderr: string } {
  expect(ended.stdout, ended.stderr).toMatch(/^\{.*\}\n$/);
  const report = JSON.parse(ended.stdout) as Report & Fields;
  expect(report).toMatchObject({
    command: expect.any(String) as string,
    exitCode: ended.exitCode,
    durationMs: expect.any(Number) as number,
    entities: expect.any(Array) as unknown[],
    failures: expect.any(Array) as unknown[],
  });
  expect(report).toHaveProperty('runId');
  if (report.error !== null) {
    expect(report.error).toMatchObject({ code: expect.stringMatching(/^[a-z0-9_]+$/) as string });
    expect(report.error.message).not.toBe('');
  }
  return { ...report, stderr: ended.stderr };
}

/** Records of `projects` as NDJSON, each with a text of its own. */
export function projectRecords(count: number, from = 1): string {
  return Array.from({ length: count }, (_none, index) => {
    const number = from + index;
    const record = {
      id: number,
      key: `P${number}`,
      name: `Project number ${number}`,
      description: `Takes orders and payments for part ${number} of the shop`,
    };
    return `${JSON.stringify(record)}\n`;
  }).join('');
}

async function deleteCollections(url: string, tenant: string): Promise<void> {
  const response = await fetch(new URL('/collections', url));
  const { result } = (await response.json()) as { result: { collections: { name: string }[] } };
  for (const { name } of result.collections) {
    if (name.startsWith(`client_${tenant}_`)) {
      await fetch(new URL(`/collections/${name}`, url), { method: 'DELETE' });
    }
  }
}

/** A run in an empty folder without a database or store: for what ends before either is opened. */
export async function runAlone(
  args: readonly string[],
  files: Readonly<Record<string, string>> = {},
  environment: Environment = {},
): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-e2e-'));
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    return await runVecpipe(args, { cwd: folder, environment });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
