import { afterAll, beforeAll } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import type { Database } from '../../src/ports/database.ts';
import type { VectorStore } from '../../src/ports/vector-store.ts';
import { availableDatabases } from './databases.ts';
import type { DatabaseVariant, TestDatabase } from './databases.ts';
import { availableStores } from './stores.ts';
import type { StoreVariant, TestStore } from './stores.ts';

/** A migrated database and a store for one test file. Disposal removes both. */
export interface Backend extends AsyncDisposable {
  readonly database: Database;
  readonly store: VectorStore;
  readonly testDatabase: TestDatabase;
  readonly testStore: TestStore;
}

export interface BackendVariant {
  readonly name: string;
  open(): Promise<Backend>;
}

/** A migrated database of its own for one test file. */
export interface MigratedDatabase extends AsyncDisposable {
  readonly database: Database;
  readonly testDatabase: TestDatabase;
}

export async function openMigrated(variant: DatabaseVariant): Promise<MigratedDatabase> {
  const testDatabase = await variant.create();
  const database = await testDatabase.open({ maxConnections: 8 });
  await migrate(database);
  return {
    database,
    testDatabase,
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await testDatabase[Symbol.asyncDispose]();
    },
  };
}

/**
 * Gives the tests of a suite a migrated database of their own, and removes it after them.
 * @param use called with it before the first test
 */
export function useMigrated(
  variant: DatabaseVariant,
  use: (migrated: MigratedDatabase) => Promise<void> | void,
): void {
  let migrated: MigratedDatabase | undefined;
  beforeAll(async () => {
    migrated = await openMigrated(variant);
    await use(migrated);
  });
  afterAll(async () => {
    await migrated?.[Symbol.asyncDispose]();
  });
}

/**
 * What a suite over the whole pipeline runs on: everything embedded, and everything on servers as far as there
 * are some.
 */
export function availableBackends(): BackendVariant[] {
  const databases = availableDatabases();
  const stores = availableStores();
  const pglite = databases.find(({ kind }) => kind === 'pglite');
  const pgvector = stores.find(({ name }) => name === 'pgvector on PGlite');
  const qdrant = stores.find(({ kind }) => kind === 'qdrant');
  const postgres = databases.find(({ kind }) => kind === 'postgres');
  return [
    ...(pglite && pgvector ? [backend(pglite, pgvector)] : []),
    ...(qdrant && pglite ? [backend(postgres ?? pglite, qdrant)] : []),
  ];
}

function backend(databaseVariant: DatabaseVariant, storeVariant: StoreVariant): BackendVariant {
  return {
    name: `${databaseVariant.name} with ${storeVariant.kind}`,
    async open() {
      const migrated = await openMigrated(databaseVariant);
      const { database, testDatabase } = migrated;
      const testStore = await storeVariant.create(database);
      return {
        database,
        testDatabase,
        testStore,
        store: testStore.store,
        [Symbol.asyncDispose]: async () => {
          await testStore[Symbol.asyncDispose]();
          await migrated[Symbol.asyncDispose]();
        },
      };
    },
  };
}
