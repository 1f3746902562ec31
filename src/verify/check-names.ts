import type { CallOptions, Queryable } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { Confirmed, FindingKind, Repair } from './finding.ts';
import { GenerationMovedError } from './recorded-rows.ts';
import { readGenerations } from './unit.ts';
import type { Generations } from './unit.ts';

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
  collection: string,
  { names, generations }: { names: StoreNames; generations: Generations },
  options: CallOptions,
): Promise<Confirmed[]> {
  const found: Confirmed[] = names.collections
    .filter((name) => isGenerationOf(collection, name) && !generations.known.has(name))
    .map((name) => aboutCollection(collection, 'leftover_generation', name, 'delete_collection'));
  const { live } = generations;
  if (live === null || names.aliases.get(collection) === live.physical) return found;

  // Looked at again: it may have been moved between the two readings.
  const target = await store.resolveAlias(collection, options);
  const now = await readGenerations(database, store.location, collection, options);
  if (now.live?.id !== live.id) throw new GenerationMovedError();
  if (target === live.physical) return found;
  const canBeSet = names.collections.includes(live.physical) ? 'set_alias' : 'none';
  const kind = target === null ? 'alias_missing' : 'alias_elsewhere';
  return [...found, aboutCollection(collection, kind, target, canBeSet)];
}

export function isGenerationOf(collection: string, name: string): boolean {
  return name.startsWith(`${collection}__`) && /^\d+$/.test(name.slice(collection.length + 2));
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
