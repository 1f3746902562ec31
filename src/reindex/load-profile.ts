import type { CallOptions, Queryable } from '../ports/database.ts';
import { physicalName } from '../pipeline/generation.ts';
import type { LoadSettings, VectorStore } from '../ports/vector-store.ts';

/**
 * Puts a collection into the state for loading. What it changes is kept in the database before it is changed, so that
 * a later run can put it back when this one dies.
 */
export async function beginLoad(
  database: Queryable,
  store: VectorStore,
  { id, physical }: { id: number; physical: string },
  options: CallOptions = {},
): Promise<void> {
  const settings = await store.readLoadSettings(physical, options);
  if (settings === null) return;
  // What is kept from an interrupted run is what was there before any load.
  await database.query(
    'update vecpipe.generations set load_settings = coalesce(load_settings, $2::text::jsonb) where id = $1',
    [id, JSON.stringify(settings)],
    options,
  );
  await store.beginLoad(physical, options);
}

/** Puts back what {@link beginLoad} has changed; does nothing where nothing is. */
export async function endLoad(
  database: Queryable,
  store: VectorStore,
  { id, physical }: { id: number; physical: string },
  options: CallOptions = {},
): Promise<void> {
  const { rows } = await database.query<{ settings: LoadSettings | null }>(
    'select load_settings as settings from vecpipe.generations where id = $1',
    [id],
    options,
  );
  const settings = rows[0]?.settings ?? null;
  if (settings === null) return;
  await store.endLoad(physical, settings, options);
  await database.query('update vecpipe.generations set load_settings = null where id = $1', [id], options);
}

/**
 * Puts back the settings of collections whose load was never ended because its run died.
 * @returns the collections
 */
export async function restoreLoads(
  database: Queryable,
  store: VectorStore,
  options: CallOptions = {},
): Promise<string[]> {
  const { rows } = await database.query<{ id: number; collection: string; number: number }>(
    `select id, collection, generation as number from vecpipe.generations g
    where store = $1 and load_settings is not null and status <> 'dropped'
      and not exists (select from vecpipe.runs where id = g.run_id and finished_at is null)
    order by id`,
    [store.location],
    options,
  );
  const restored: string[] = [];
  for (const { id, collection, number } of rows) {
    const physical = physicalName(collection, number);
    if ((await store.describeCollection(physical, options)) === null) continue;
    await endLoad(database, store, { id, physical }, options);
    restored.push(physical);
  }
  return restored;
}
