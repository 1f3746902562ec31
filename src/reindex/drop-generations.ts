import { retryConflicts } from '../db/retry-conflicts.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { readGenerations } from './generation-records.ts';
import type { GenerationRecord } from './generation-records.ts';

/**
 * Deletes a generation that is not live: its points first, then what is recorded of it, so that what a crash leaves
 * behind is found again. Its number is never used again. Nothing is deleted when it was made live meanwhile.
 * @returns whether it was deleted
 */
export async function dropGeneration(
  database: Database,
  store: VectorStore,
  generation: GenerationRecord,
  options: CallOptions = {},
): Promise<boolean> {
  // From then on nobody goes back to it, and any run may finish what a crash has left.
  const { changed: doomed } = await database.query(
    `update vecpipe.generations set retired_at = null, keep_until = now() where id = $1 and status = 'retired'`,
    [generation.id],
    options,
  );
  if (doomed === 0) return false;
  await store.deleteCollection(generation.physical, options);
  await retryConflicts(
    () =>
      database.transaction(async (tx) => {
        const { changed } = await tx.query(
          `update vecpipe.generations set status = 'dropped', load_settings = null where id = $1 and status = 'retired'`,
          [generation.id],
        );
        if (changed === 0) return;
        await tx.query('delete from vecpipe.vector_state where generation_id = $1', [generation.id]);
        await tx.query('delete from vecpipe.queue where building = $1', [generation.id]);
      }, options),
    options,
  );
  return true;
}

/** Drops everything that is kept of a collection. @returns what was dropped */
export function dropRetired(
  database: Database,
  store: VectorStore,
  collection: string,
  options: CallOptions = {},
): Promise<GenerationRecord[]> {
  return dropKept(database, store, collection, () => true, options);
}

/** Drops the generations of these collections that are kept no longer. @returns what was dropped */
export async function dropExpired(
  database: Database,
  store: VectorStore,
  collections: readonly string[],
  options: CallOptions = {},
): Promise<GenerationRecord[]> {
  const { rows } = await database.query<{ id: number; collection: string }>(
    `select id, collection from vecpipe.generations
    where store = $1 and collection = any ($2::text[]) and status = 'retired' and keep_until <= now()
    order by id`,
    [store.location, collections],
    options,
  );
  const expired = new Set(rows.map(({ id }) => id));
  const dropped: GenerationRecord[] = [];
  for (const collection of new Set(rows.map((row) => row.collection))) {
    dropped.push(...(await dropKept(database, store, collection, ({ id }) => expired.has(id), options)));
  }
  return dropped;
}

async function dropKept(
  database: Database,
  store: VectorStore,
  collection: string,
  isWanted: (generation: GenerationRecord) => boolean,
  options: CallOptions,
): Promise<GenerationRecord[]> {
  const pointedAt = await store.resolveAlias(collection, options);
  const records = await readGenerations(database, store.location, collection, options);
  const dropped: GenerationRecord[] = [];
  for (const generation of records) {
    // Readers may still be led to it where the alias could not be moved.
    if (generation.status !== 'retired' || generation.physical === pointedAt || !isWanted(generation))
      continue;
    if (await dropGeneration(database, store, generation, options)) dropped.push(generation);
  }
  return dropped;
}
