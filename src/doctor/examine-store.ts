import type { StoreConfig } from '../config/config.ts';
import { collectionName } from '../entities/entity.ts';
import type { Entity } from '../entities/entity.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { Scope } from '../lifetime/scope.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { CheckList } from './check-list.ts';
import { fail, ok } from './check.ts';
import type { Finding } from './check.ts';
import { checkCollection } from './collection.ts';
import type { ExaminedDatabase } from './examine-database.ts';
import type { ProbedProvider } from './provider-probe.ts';

export interface StoreSurvey {
  config: StoreConfig;
  /** The store and why it was chosen, for people. */
  choice: string;
  database: ExaminedDatabase;
  targets: readonly { tenant: string; entity: Entity; provider: string }[];
  /** Those that answered, by name. */
  probes: ReadonlyMap<string, ProbedProvider>;
  scope: Scope;
}

/** Looks at the store, and at the collection of every selected tenant's entity. Makes none. */
export async function examineStore(checks: CheckList, survey: StoreSurvey): Promise<void> {
  const { config, choice, database, scope } = survey;
  let store: VectorStore | null = null;
  const { status } = await checks.run(
    {
      id: 'store',
      subject: 'store',
      blockedBy: config.kind === 'pgvector' ? database.pgvectorBlockedBy : null,
    },
    async (signal) => {
      const opened = await openAnyStore(config, database.database, { signal });
      if (!(Symbol.asyncDispose in opened)) return opened;
      store = scope.use('the vector store', opened);
      return config.kind === 'qdrant' ? describe(config, choice, { signal }) : ok(choice);
    },
  );
  const storeBlockedBy = status === 'ok' ? null : 'the store cannot be used';
  const seen = new Set<string>();
  for (const { tenant, entity, provider } of survey.targets) {
    const collection = collectionName(entity, tenant);
    // Tenants may share one.
    const key = JSON.stringify([collection, entity.name, provider]);
    if (seen.has(key)) continue;
    seen.add(key);
    const settings = survey.probes.get(provider)?.settings.get(entity.name);
    const blockedBy =
      database.tablesBlockedBy ??
      storeBlockedBy ??
      (settings === undefined ? `provider ${provider} does not say how it would be filled` : null);
    await checks.run({ id: 'collection', subject: `collection ${collection}`, blockedBy }, (signal) => {
      if (!database.database || !store || !settings) throw new Error('the store is not open');
      return checkCollection(database.database, store, collection, settings, { signal });
    });
  }
}

/** @returns a finding where the error needs more words than it has */
async function openAnyStore(
  config: StoreConfig,
  database: Database | null,
  options: CallOptions,
): Promise<VectorStore | Finding> {
  if (config.kind === 'pgvector') {
    if (database === null) throw new Error('the database is not open');
    const { openPgvectorStore } = await import('../stores/pgvector/pgvector-store.ts');
    return openPgvectorStore(database, options);
  }
  const { openQdrantStore } = await import('../stores/qdrant/qdrant-store.ts');
  try {
    return await openQdrantStore(config, options);
  } catch (error) {
    const isOfFile = config.origin === 'file';
    if (!isOfFile || !(error instanceof VecpipeError) || error.code !== 'store_unauthorized') throw error;
    return fail(
      error.message,
      'set QDRANT_API_KEY, or the variable that store.apiKeyEnv names, to a key that may read and write',
    );
  }
}

async function describe(
  config: Extract<StoreConfig, { kind: 'qdrant' }>,
  choice: string,
  options: CallOptions,
): Promise<Finding> {
  const { describeQdrant } = await import('./qdrant-server.ts');
  return ok(`${choice}; ${await describeQdrant(config, options)}`);
}
