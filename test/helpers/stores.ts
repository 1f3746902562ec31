import { randomBytes } from 'node:crypto';
import type { StoreConfig } from '../../src/config/config.ts';
import { migrate } from '../../src/db/migrate.ts';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { quoteIdentifier } from '../../src/db/quote.ts';
import type { Database } from '../../src/ports/database.ts';
import type { VectorStore } from '../../src/ports/vector-store.ts';
import { openStore } from '../../src/stores/open-store.ts';
import { availableDatabases } from './databases.ts';

/** A store for one test file. Disposal closes it and removes the collections whose names it gave. */
export interface TestStore extends AsyncDisposable {
  readonly config: StoreConfig;
  readonly store: VectorStore;
  /** A name for a collection or alias that no other test has. */
  name(ending: string): string;
  /** The same store once more, as another process has it; the caller disposes. */
  open(options?: { signal?: AbortSignal }): Promise<VectorStore>;
}

export interface StoreVariant {
  readonly name: 'pgvector on PGlite' | 'pgvector on Postgres' | 'Qdrant';
  readonly kind: VectorStore['kind'];
  /**
   * @param database a migrated one that pgvector is to use and the caller keeps; without it there is a new one, which
   *   goes with the store
   */
  create(database?: Database): Promise<TestStore>;
}

/** URL of a Postgres server that has pgvector and on which databases may be created and dropped, or undefined. */
export const testPgvectorUrl = process.env.TEST_PGVECTOR_URL || undefined;
/** URL of a Qdrant in which collections may be made and deleted, or undefined. */
export const testQdrantUrl = process.env.TEST_QDRANT_URL || undefined;

if (testPgvectorUrl === undefined) {
  console.warn('skipped: pgvector on a Postgres server, because TEST_PGVECTOR_URL is not set');
}
if (testQdrantUrl === undefined) {
  console.warn('skipped: everything on Qdrant, because TEST_QDRANT_URL is not set');
}

/** The variants that every suite over a store runs on. */
export function availableStores(): StoreVariant[] {
  const variants: StoreVariant[] = [
    {
      name: 'pgvector on PGlite',
      kind: 'pgvector',
      create: (database) => createPgvector(database, createPglite),
    },
  ];
  if (testPgvectorUrl !== undefined) {
    variants.push({
      name: 'pgvector on Postgres',
      kind: 'pgvector',
      create: (database) => createPgvector(database, () => createPostgres(testPgvectorUrl)),
    });
  }
  if (testQdrantUrl !== undefined) {
    variants.push({ name: 'Qdrant', kind: 'qdrant', create: () => createQdrant(testQdrantUrl) });
  }
  return variants;
}

/** An open database that can have pgvector, migrated; disposal closes and removes it. */
export interface PgvectorDatabase extends AsyncDisposable {
  readonly database: Database;
}

/** The databases that suites about pgvector alone run on. */
export function availablePgvectorDatabases(): { name: string; create(): Promise<PgvectorDatabase> }[] {
  const pglite = { name: 'PGlite', create: createPglite };
  if (testPgvectorUrl === undefined) return [pglite];
  return [pglite, { name: 'Postgres', create: () => createPostgres(testPgvectorUrl) }];
}

async function createPgvector(
  given: Database | undefined,
  createDatabase: () => Promise<PgvectorDatabase>,
): Promise<TestStore> {
  const prefix = uniquePrefix();
  const own = given ? undefined : await createDatabase();
  const database = given ?? own?.database;
  if (!database) throw new Error('there is no database');
  const config: StoreConfig = { kind: 'pgvector', origin: 'default' };
  const store = await openStore(config, database);
  return {
    config,
    store,
    name: (ending) => prefix + ending,
    open: (options = {}) => openStore(config, database, options),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      if (!own) {
        await using cleaner = await openStore(config, database);
        const { rows } = await database.query<{ name: string }>(
          'select name from vecpipe.pgvector_collections',
        );
        for (const { name } of rows) if (name.startsWith(prefix)) await cleaner.deleteCollection(name);
      }
      await own?.[Symbol.asyncDispose]();
    },
  };
}

async function createPglite(): Promise<PgvectorDatabase> {
  const [pglite] = availableDatabases();
  if (pglite?.kind !== 'pglite') throw new Error('the first database variant is not PGlite');
  const test = await pglite.create();
  const database = await test.open();
  await migrate(database);
  return {
    database,
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await test[Symbol.asyncDispose]();
    },
  };
}

async function createPostgres(serverUrl: string): Promise<PgvectorDatabase> {
  const name = `vecpipe_test_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, `create database ${quoteIdentifier(name)} template template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const database = await openPostgresDatabase({ url: url.href, maxConnections: 8 });
  await migrate(database);
  return {
    database,
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await onServer(serverUrl, `drop database ${quoteIdentifier(name)} with (force)`);
    },
  };
}

async function onServer(url: string, sql: string): Promise<void> {
  await using server = await openPostgresDatabase({ url, maxConnections: 1 });
  await server.query(sql);
}

/** A database is never asked for by the Qdrant store. */
const NO_DATABASE = null as unknown as Database;

async function createQdrant(url: string): Promise<TestStore> {
  const prefix = uniquePrefix();
  const config: StoreConfig = {
    kind: 'qdrant',
    url,
    apiKey: process.env.TEST_QDRANT_API_KEY || null,
    origin: 'environment',
  };
  const store = await openStore(config, NO_DATABASE);
  return {
    config,
    store,
    name: (ending) => prefix + ending,
    open: (options = {}) => openStore(config, NO_DATABASE, options),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await using cleaner = await openStore(config, NO_DATABASE);
      for (const name of await qdrantCollections(url, config.apiKey)) {
        if (name.startsWith(prefix)) await cleaner.deleteCollection(name);
      }
    },
  };
}

async function qdrantCollections(url: string, apiKey: string | null): Promise<string[]> {
  const response = await fetch(new URL('/collections', url), {
    headers: apiKey ? { 'api-key': apiKey } : {},
  });
  const answer = (await response.json()) as { result: { collections: { name: string }[] } };
  return answer.result.collections.map(({ name }) => name);
}

function uniquePrefix(): string {
  return `vt_${randomBytes(6).toString('hex')}_`;
}
