import { retryConflicts } from '../db/retry-conflicts.ts';
import { usageError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { Report } from '../ports/run-events.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { describeChanges, fingerprintOf } from './fingerprint.ts';
import type { FingerprintSettings } from './fingerprint.ts';
import { refuseReplaced } from './replaced.ts';

/** A physical collection behind an alias. */
export interface Generation {
  /** Of the row in vecpipe.generations. */
  id: number;
  number: number;
  /** The alias. */
  collection: string;
  /** Name of the physical collection in the store. */
  physical: string;
  fingerprint: string;
  dimensions: number;
}

/** A generation that can be written to. */
export interface OpenGeneration extends Generation {
  /** It held no point of anybody when it was opened: whatever is queued cannot be all that is missing. */
  isEmpty: boolean;
}

interface GenerationRow {
  id: number;
  number: number;
  fingerprint: string;
  settings: FingerprintSettings & { adoptedFrom?: string };
  dimensions: number;
  status: 'building' | 'live';
  /** The database's clock when this was read. */
  readAt: string;
}

export function physicalName(collection: string, generation: number): string {
  return `${collection}__${generation}`;
}

/**
 * The live generation of a collection as this database knows it, without asking the store.
 * @returns null when none was made in that store yet
 * @throws {VecpipeError} `usage` when it was built with other settings: two vector spaces are never mixed
 */
export async function findGeneration(
  database: Queryable,
  store: VectorStore,
  collection: string,
  settings: FingerprintSettings,
  { command, ...options }: CallOptions & { command?: string } = {},
): Promise<Generation | null> {
  const row = await readGeneration(database, store.location, collection, options);
  if (row === null || row.status !== 'live') return null;
  refuseMixing(row, collection, settings, command);
  return toGeneration(row, collection);
}

/**
 * Refuses to compare a provider's vectors with those of a collection that another model filled.
 * @throws {VecpipeError} `usage`
 */
export async function refuseOtherModel(
  database: Queryable,
  storeLocation: string,
  collection: string,
  provider: EmbeddingProvider,
  options: CallOptions = {},
): Promise<void> {
  const row = await readGeneration(database, storeLocation, collection, options);
  if (row === null || row.settings.model === provider.modelId) return;
  throw usageError(
    'model_mismatch',
    `collection ${collection} was filled by the model ${row.settings.model}, but the tenant's provider is ${provider.modelId}`,
    'search with the provider that the collection was built with',
  );
}

/** The live generation whatever it was built with, or null: enough to know what is recorded. */
export async function findGenerationId(
  database: Queryable,
  storeLocation: string,
  collection: string,
  options: CallOptions = {},
): Promise<number | null> {
  const row = await readGeneration(database, storeLocation, collection, options);
  return row?.status === 'live' ? row.id : null;
}

/**
 * The live generation, made ready to be written to: on the first run the physical collection and its alias are
 * created. Safe to call from several processes at once, and again after a crash in the middle.
 *
 * A collection that has vanished from the store, or lost every point, is made anew and what was recorded for it
 * is forgotten, so that its rows are found to be missing.
 * @throws {VecpipeError} `usage` when it was built with other settings; `unavailable` when a reindex has replaced it
 *   meanwhile
 */
export async function ensureGeneration(
  database: Database,
  store: VectorStore,
  collection: string,
  settings: FingerprintSettings,
  options: CallOptions & { report: Report; command?: string },
): Promise<OpenGeneration> {
  const row =
    (await readGeneration(database, store.location, collection, options)) ??
    (await beginGeneration(database, store, collection, settings, options));
  refuseUnadopted(row, collection);
  refuseMixing(row, collection, settings, options.command);
  const generation = toGeneration(row, collection);

  const info = await store.describeCollection(generation.physical, options);
  // It may be gone because it was replaced and dropped.
  if (info === null) await refuseReplaced(database, generation, options);
  // A live one was completed once; what is left is to look whether it is still there, as wide as it was.
  if (row.status !== 'live' || info?.dimensions !== generation.dimensions) {
    await store.createCollection(generation.physical, generation.dimensions, options);
  }
  const isEmpty = info === null || (await store.count(generation.physical, options)) === 0;
  if (isEmpty) await forgetRecorded(database, generation, row.readAt, options);
  if ((await store.resolveAlias(collection, options)) !== generation.physical) {
    await healAlias(database, store, collection, options);
    await refuseReplaced(database, generation, options);
  }
  if (row.status !== 'live') {
    await database.query(
      `update vecpipe.generations set status = 'live' where id = $1 and status = 'building'`,
      [row.id],
      options,
    );
  }
  return { ...generation, isEmpty };
}

/**
 * Points the alias to the generation that is live now, or that is the first and being built, where it leads elsewhere.
 * A reindex may swap meanwhile, and move the alias before we do: so it is looked again until both agree.
 * @returns the generation when the alias had to be moved to it, else null
 */
export async function healAlias(
  database: Queryable,
  store: VectorStore,
  collection: string,
  options: CallOptions = {},
): Promise<Generation | null> {
  let moved: Generation | null = null;
  for (;;) {
    const row = await readGeneration(database, store.location, collection, options);
    if (row === null) return moved;
    const generation = toGeneration(row, collection);
    if ((await store.resolveAlias(collection, options)) === generation.physical) return moved;
    if ((await store.describeCollection(generation.physical, options)) === null) return moved;
    await store.setAlias(collection, generation.physical, options);
    moved = generation;
  }
}

/** Only what was recorded before we looked: another process may be filling the new collection already. */
async function forgetRecorded(
  database: Queryable,
  generation: Generation,
  recordedBefore: string,
  options: CallOptions & { report: Report },
): Promise<void> {
  // A row without a point has lost none.
  const { changed } = await retryConflicts(
    () =>
      database.query(
        `delete from vecpipe.vector_state
        where generation_id = $1 and stored_at <= $2::text::timestamptz and chunks > 0`,
        [generation.id, recordedBefore],
        options,
      ),
    options,
  );
  if (changed > 0) {
    options.report({
      type: 'warning',
      message: `collection ${generation.physical} holds no point any more; its ${changed} recorded rows are written again`,
    });
  }
}

async function readGeneration(
  database: Queryable,
  store: string,
  collection: string,
  options: CallOptions,
): Promise<GenerationRow | null> {
  const { rows } = await database.query<GenerationRow>(
    `select id, generation as number, fingerprint, settings, dimensions, status, now()::text as "readAt"
    from vecpipe.generations
    where store = $1 and collection = $2 and status in ('live', 'building')
    order by status = 'live' desc, generation desc limit 1`,
    [store, collection],
    options,
  );
  return rows[0] ?? null;
}

async function beginGeneration(
  database: Queryable,
  store: VectorStore,
  collection: string,
  settings: FingerprintSettings,
  options: CallOptions,
): Promise<GenerationRow> {
  const occupied = await findForeignCollection(store, collection, options);
  if (occupied !== null) {
    // Another process may have begun it since we looked: it is recorded before it is made in the store.
    const begun = await readGeneration(database, store.location, collection, options);
    if (begun !== null) return begun;
    throw usageError(
      'collection_foreign',
      `the store already has a collection ${occupied} that this database has no record of`,
      'use the database that built it, take it over with `vecpipe adopt`, delete it from the store, or give the entity another `collection:`',
    );
  }
  await database.query(
    `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
    values ($1, $2, 1, $3, $4::text::jsonb, $5, 'building')
    on conflict do nothing`,
    [store.location, collection, fingerprintOf(settings), JSON.stringify(settings), settings.dimensions],
    options,
  );
  const row = await readGeneration(database, store.location, collection, options);
  if (row === null)
    throw new Error(`generation 1 of ${collection} is not live any more and has no successor`);
  return row;
}

function refuseMixing(
  row: GenerationRow,
  collection: string,
  settings: FingerprintSettings,
  command = 'vecpipe reindex',
): void {
  if (row.fingerprint === fingerprintOf(settings)) return;
  throw usageError(
    'fingerprint_changed',
    `collection ${collection} was built with another ${describeChanges(row.settings, settings)}, and vectors of two kinds are never mixed`,
    `rebuild it with \`${command}\`, or put the old setting back`,
  );
}

/** Its vectors would be bought although they are there to be copied. */
function refuseUnadopted({ status, settings: { adoptedFrom } }: GenerationRow, collection: string): void {
  if (status !== 'building' || adoptedFrom === undefined) return;
  throw usageError(
    'adoption_unfinished',
    `the adoption of ${adoptedFrom} as collection ${collection} has not ended`,
    'run the same `vecpipe adopt` command again',
  );
}

/** What stands in the store where a first generation is to be built: its alias, its name, or a collection of the alias's name. */
async function findForeignCollection(
  store: VectorStore,
  collection: string,
  options: CallOptions,
): Promise<string | null> {
  const target = await store.resolveAlias(collection, options);
  if (target !== null) return target;
  for (const name of [physicalName(collection, 1), collection]) {
    if ((await store.describeCollection(name, options)) !== null) return name;
  }
  return null;
}

function toGeneration(row: GenerationRow, collection: string): Generation {
  return {
    id: row.id,
    number: row.number,
    collection,
    physical: physicalName(collection, row.number),
    fingerprint: row.fingerprint,
    dimensions: row.dimensions,
  };
}
