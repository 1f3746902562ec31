import type { CallOptions, Database } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { readGenerations } from './generation-records.ts';
import type { GenerationRecord } from './generation-records.ts';

/**
 * Moves the alias to the live generation where it leads elsewhere, as after a run that ended between the two halves of
 * a swap. Another run may make another generation live meanwhile, and move the alias before we do: so it is looked
 * again until both agree.
 * @returns the live generation when it had to be moved, else null
 */
export async function healAlias(
  database: Database,
  store: VectorStore,
  collection: string,
  options: CallOptions = {},
): Promise<GenerationRecord | null> {
  let moved: GenerationRecord | null = null;
  for (;;) {
    const records = await readGenerations(database, store.location, collection, options);
    const live = records.find(({ status }) => status === 'live');
    if (!live || (await store.resolveAlias(collection, options)) === live.physical) return moved;
    if ((await store.describeCollection(live.physical, options)) === null) return moved;
    await store.setAlias(collection, live.physical, options);
    moved = live;
  }
}
