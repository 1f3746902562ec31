import { usageError, VecpipeError } from '../errors/vecpipe-error.ts';
import { physicalName } from '../pipeline/generation.ts';
import type { CollectionInfo } from '../ports/vector-store.ts';
import type { Adoption } from './adoption.ts';
import { readKey } from './key-field.ts';

/** Points that must not all be without the key field. */
const FIRST_PAGE = 256;

/**
 * Refuses what cannot become a generation of vecpipe's, before anything is embedded or written.
 * @throws {VecpipeError} `usage`
 */
export async function checkAdopted(adoption: Adoption): Promise<void> {
  const { store, adopted, provider, keyField, options } = adoption;
  const info = await describe(adoption);
  if (info === null) {
    throw usageError(
      'collection_missing',
      `Qdrant has no collection named ${adopted} that could be adopted`,
      'look for its name in the list of collections: GET /collections',
    );
  }
  if (info.distance !== 'cosine') {
    throw unfit(
      `the Qdrant collection ${adopted} does not compare vectors by cosine, as vecpipe does`,
      'let `vecpipe vectorize` build a collection of its own',
    );
  }
  if (info.dimensions !== provider.dimensions) {
    throw unfit(
      `the Qdrant collection ${adopted} holds vectors of ${info.dimensions} dimensions, and the tenant's provider ${provider.modelId} makes ${provider.dimensions}`,
      'give the tenant the provider that the collection was built with',
    );
  }
  checkNames(adoption);
  const page = await store.scroll(adopted, { limit: FIRST_PAGE, ...options });
  if (page.some(({ payload }) => readKey(payload, keyField) !== null)) return;
  throw usageError(
    'adoption_key_field',
    `none of the first ${page.length} points of ${adopted} has a text or number in the payload field ${keyField.text} (--key-field)`,
    'name the field that holds the key of the row, with dots for a field inside of another',
  );
}

/**
 * Refuses names that stand in the way of what a first adoption makes.
 * @throws {VecpipeError} `usage`
 */
export async function checkNothingBuilt(adoption: Adoption): Promise<void> {
  const { store, collection, adopted, options } = adoption;
  const physical = physicalName(collection, 1);
  if ((await store.describeCollection(physical, options)) !== null) {
    throw usageError(
      'adoption_built',
      `the store already has a collection ${physical}, which is the name that the adopted one would get`,
      'delete it from the store, or give the entity another `collection:`',
    );
  }
  const behind = await store.resolveAlias(collection, options);
  if (behind === null || behind === adopted) return;
  throw usageError(
    'adoption_built',
    `the alias ${collection} already leads to the collection ${behind}`,
    `adopt ${behind}, or give the entity another \`collection:\``,
  );
}

function checkNames({ adopted, collection, replaces }: Adoption): void {
  if (adopted === collection && !replaces) {
    throw usageError(
      'adoption_name',
      `the collection ${adopted} bears the name that the alias of the adopted one must get`,
      'give the entity another `collection:`, or add --replace, which deletes the old collection once it is copied',
    );
  }
  if (adopted !== collection && replaces) {
    throw usageError(
      'adoption_name',
      `--replace deletes an adopted collection that bears the alias's name, and ${adopted} does not: the alias is ${collection}`,
      'leave --replace out; the adopted collection stays as it is',
    );
  }
}

async function describe({ store, adopted, options }: Adoption): Promise<CollectionInfo | null> {
  try {
    return await store.describeCollection(adopted, options);
  } catch (error) {
    if (!(error instanceof VecpipeError) || error.code !== 'collection_foreign') throw error;
    throw unfit(
      error.message,
      'copy the vectors into a collection with one unnamed vector a point first',
      error,
    );
  }
}

function unfit(message: string, hint: string, cause?: unknown): VecpipeError {
  return usageError('adoption_unfit', message, hint, cause);
}
