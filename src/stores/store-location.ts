import type { StoreConfig } from '../config/config.ts';
import { parseQdrantUrl } from './qdrant/qdrant-url.ts';

/** What the store's `location` will be, without opening it. */
export function storeLocation(config: StoreConfig): string {
  return config.kind === 'qdrant' ? `qdrant ${parseQdrantUrl(config.url).shown}` : 'pgvector';
}
