import { findGeneration, physicalName } from '../pipeline/generation.ts';
import type { Generation } from '../pipeline/generation.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { fail, ok, warn } from './check.ts';
import type { Finding } from './check.ts';

/**
 * Whether a tenant's entity finds its collection in the store as this database knows it and as its provider fills it.
 * @throws {VecpipeError} usage `fingerprint_changed` when it was built with other settings, and what the store throws
 */
export async function checkCollection(
  database: Queryable,
  store: VectorStore,
  collection: string,
  settings: FingerprintSettings,
  options: CallOptions,
): Promise<Finding> {
  const generation = await findGeneration(database, store, collection, settings, options);
  const target = await store.resolveAlias(collection, options);
  if (generation !== null) return checkLive(store, generation, target, settings, options);
  if (await isBeingBuilt(database, store, collection, options)) {
    return warn('its first build was begun and not finished', 'run `vecpipe vectorize`, which finishes it');
  }
  const foreign = target ?? (await foreignCollection(store, collection, options));
  if (foreign === null) return ok('not made yet: the first `vecpipe vectorize` makes it');
  return fail(
    `the store already has a collection ${foreign} that this database has no record of`,
    'use the database that built it, delete it from the store, or give the entity another `collection:`',
  );
}

async function checkLive(
  store: VectorStore,
  { physical, number }: Generation,
  target: string | null,
  settings: FingerprintSettings,
  options: CallOptions,
): Promise<Finding> {
  const info = await store.describeCollection(physical, options);
  if (info === null) {
    return fail(
      `the store has no collection ${physical} any more, which this database has on record`,
      'run `vecpipe vectorize`, which makes it again and writes every row',
    );
  }
  if (info.dimensions !== settings.dimensions) {
    return fail(
      `${physical} holds vectors of ${info.dimensions} dimensions, and the provider makes ${settings.dimensions}`,
      'put the old provider back, or give the entity another `collection:`',
    );
  }
  if (info.distance !== 'cosine') {
    return fail(
      `${physical} does not compare vectors by cosine`,
      'delete that collection, then run `vecpipe vectorize`, which makes it again',
    );
  }
  if (target !== physical) {
    const found = target === null ? 'there is no alias of that name' : `the alias points at ${target}`;
    return fail(
      `${found}, and readers need it to point at ${physical}`,
      'run `vecpipe vectorize`, which sets it',
    );
  }
  return ok(
    `generation ${number}, alias of ${physical}, ${info.dimensions} dimensions, cosine, built as the config says`,
  );
}

async function isBeingBuilt(
  database: Queryable,
  store: VectorStore,
  collection: string,
  options: CallOptions,
): Promise<boolean> {
  const { rows } = await database.query(
    `select from vecpipe.generations where store = $1 and collection = $2 and status = 'building'`,
    [store.location, collection],
    options,
  );
  return rows.length > 0;
}

/** A collection that stands where the alias or the first generation belongs. */
async function foreignCollection(
  store: VectorStore,
  collection: string,
  options: CallOptions,
): Promise<string | null> {
  for (const name of [physicalName(collection, 1), collection]) {
    if ((await store.describeCollection(name, options)) !== null) return name;
  }
  return null;
}
