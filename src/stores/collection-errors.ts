import type { VecpipeError } from '../errors/vecpipe-error.ts';
import { usageError } from '../errors/vecpipe-error.ts';

/** What both stores say, in the same words and codes, about collections and aliases that are not as they must be. */

/** Name of the store in a message. */
export type StoreName = 'Qdrant' | 'pgvector';

const OTHER_COLLECTION = 'or set another `collection:` for the entity';

export function collectionMissing(store: StoreName, collection: string): VecpipeError {
  return usageError(
    'collection_missing',
    `${store} has no collection named ${collection}`,
    'run `vecpipe vectorize`, which builds it from the rows',
  );
}

export function collectionWidth(
  store: StoreName,
  collection: string,
  found: number,
  wanted: number,
): VecpipeError {
  return usageError(
    'collection_width',
    `the ${store} collection ${collection} holds vectors of ${found} dimensions, not ${wanted}`,
    `delete that collection, ${OTHER_COLLECTION}`,
  );
}

export function collectionNameTaken(store: StoreName, collection: string): VecpipeError {
  return usageError(
    'collection_name_taken',
    `${store} has an alias named ${collection}, so the collection of that name cannot be made`,
    `delete that alias, ${OTHER_COLLECTION}`,
  );
}

export function aliasNameTaken(store: StoreName, alias: string): VecpipeError {
  return usageError(
    'alias_name_taken',
    `${store} has a plain collection named ${alias}, so the alias of that name cannot be made`,
    `rename or delete that collection, ${OTHER_COLLECTION}`,
  );
}

export function aliasTargetMissing(store: StoreName, alias: string, collection: string): VecpipeError {
  return usageError(
    'alias_target_missing',
    `${store} has no collection named ${collection}, so the alias ${alias} cannot point at it`,
    'run `vecpipe vectorize`, which builds it from the rows',
  );
}
