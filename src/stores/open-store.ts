import type { StoreConfig } from '../config/config.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';

export interface OpenStoreOptions extends CallOptions {
  /** `few` for a caller that waits for the store itself; `many`, when left out, wait for a restart of it. */
  retries?: 'few' | 'many';
}

/**
 * Opens the store that the config chose; only what that store needs is loaded. The caller disposes it, and keeps the
 * database.
 * @throws {VecpipeError} `unavailable` or `usage`, as the adapters say; the signal's reason when aborted
 */
export async function openStore(
  config: StoreConfig,
  database: Database,
  options: OpenStoreOptions = {},
): Promise<VectorStore> {
  if (config.kind === 'qdrant') {
    const { openQdrantStore } = await import('./qdrant/qdrant-store.ts');
    return openQdrantStore({ url: config.url, apiKey: config.apiKey }, options);
  }
  const { openPgvectorStore } = await import('./pgvector/pgvector-store.ts');
  return openPgvectorStore(database, options);
}
