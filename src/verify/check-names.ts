import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { Confirmed, FindingKind, Repair } from './finding.ts';
import { identityOf } from './point-identity.ts';
import { GenerationMovedError } from './recorded-rows.ts';
import { knownGenerations } from './unit.ts';
import type { Generations, Unit } from './unit.ts';

/** What the store has by name. */
export interface StoreNames {
  collections: readonly string[];
  aliases: ReadonlyMap<string, string>;
}

/** To be read before what is recorded: a generation is recorded before it is made. */
export async function readStoreNames(store: VectorStore, options: CallOptions): Promise<StoreNames> {
  const collections = await store.listCollections(options);
  return { collections, aliases: await store.listAliases(options) };
}

/**
 * Physical collections that nobody knows, and an alias that leads elsewhere.
 * @throws {GenerationMovedError} when the alias is being moved
 */
export async function checkNames(
  database: Queryable,
  store: VectorStore,
  { collection, entity }: Pick<Unit, 'collection' | 'entity'>,
  { names, generations }: { names: StoreNames; generations: Generations },
  options: CallOptions,
): Promise<Confirmed[]> {
  const unknown = names.collections.filter(
    (name) => isGenerationOf(collection, name) && !generations.known.has(name),
  );
  const left: string[] = [];
  for (const name of unknown) if (await isGeneration(store, name, entity, options)) left.push(name);
  // Recorded after all: what one run drops, another may begin anew under the same name.
  const { known } =
    left.length === 0 ? generations : await knownGenerations(database, store.location, collection, options);
  const pointedAt = new Set(names.aliases.values());
  const found = left
    .filter((name) => !known.has(name))
    .map((name) => {
      // Any other one may have been built by another database, or be in use.
      const isOwn = generations.dropped.has(name) && !pointedAt.has(name);
      return aboutCollection(collection, 'leftover_generation', name, isOwn ? 'delete_collection' : 'none');
    });
  const { live } = generations;
  if (live === null || names.aliases.get(collection) === live.physical) return found;

  // Looked at again: it may have been moved between the two readings.
  const target = await store.resolveAlias(collection, options);
  const now = await knownGenerations(database, store.location, collection, options);
  if (now.live?.id !== live.id) throw new GenerationMovedError();
  if (target === live.physical) return found;
  const kind = target === null ? 'alias_missing' : 'alias_elsewhere';
  return [...found, aboutCollection(collection, kind, target, 'set_alias')];
}

/**
 * Whether a collection is still there and looks like vecpipe's: without points, or with such of the entity. What else
 * bears such a name, as `reports__2024`, is none of ours.
 */
async function isGeneration(
  store: VectorStore,
  name: string,
  entity: string,
  options: CallOptions,
): Promise<boolean> {
  try {
    if ((await store.describeCollection(name, options)) === null) return false;
    const [point] = await store.scroll(name, { limit: 1, payload: 'identity', ...options });
    return !point || identityOf(point.payload)?.entity === entity;
  } catch (error) {
    if (isOfOthers(error)) return false;
    throw error;
  }
}

/** It has other vectors than vecpipe's, or was deleted meanwhile. */
function isOfOthers(error: unknown): boolean {
  return (
    error instanceof VecpipeError &&
    (error.code === 'collection_foreign' || error.code === 'collection_missing')
  );
}

export function isGenerationOf(collection: string, name: string): boolean {
  return name.startsWith(`${collection}__`) && /^[1-9]\d*$/.test(name.slice(collection.length + 2));
}

export function aboutCollection(
  collection: string,
  kind: FindingKind,
  detail: string | null,
  repair: Repair,
): Confirmed {
  const nothing = { tenant: null, entity: null, key: null, chunk: null, pointId: null };
  return { finding: { kind, collection, ...nothing, detail }, repair, candidate: null };
}
