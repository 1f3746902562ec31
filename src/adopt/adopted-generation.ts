import { unavailableError, usageError } from '../errors/vecpipe-error.ts';
import { fingerprintOf } from '../pipeline/fingerprint.ts';
import { physicalName } from '../pipeline/generation.ts';
import type { Generation } from '../pipeline/generation.ts';
import { beginLoad, endLoad } from '../reindex/load-profile.ts';
import { findDeadRuns } from '../runs/recover-leases.ts';
import type { Adoption } from './adoption.ts';

interface Recorded {
  id: number;
  number: number;
  status: string;
  fingerprint: string;
  adoptedFrom: string | null;
  runId: string | null;
}

/** An adoption that a run has begun and not finished. */
export interface BegunAdoption {
  id: number;
  runId: string | null;
  /** Of another collection, or with another provider, template or chunking: its copy is of no use. */
  isOther: boolean;
}

/**
 * The physical collection that the name given for it stands for; it may be an alias, which an earlier run may have
 * moved to the copy already.
 */
export async function resolveAdopted(
  { database, store, collection, options }: Pick<Adoption, 'database' | 'store' | 'collection' | 'options'>,
  name: string,
): Promise<string> {
  const behind = await store.resolveAlias(name, options);
  if (behind !== physicalName(collection, 1)) return behind ?? name;
  const { rows } = await database.query<{ adoptedFrom: string | null }>(
    `select settings->>'adoptedFrom' as "adoptedFrom" from vecpipe.generations
    where store = $1 and collection = $2 and generation = 1 and status = 'building'`,
    [store.location, collection],
    options,
  );
  return rows[0]?.adoptedFrom ?? behind;
}

/**
 * What an interrupted adoption has recorded, or null when nothing is.
 * @throws {VecpipeError} `usage` when there is a generation that is no such adoption; `unavailable` when one is under way
 */
export async function findBegun(adoption: Adoption): Promise<BegunAdoption | null> {
  const { database, store, collection, settings, adopted, runId, options } = adoption;
  const { rows } = await database.query<Recorded>(
    `select id, generation as number, status, fingerprint, settings->>'adoptedFrom' as "adoptedFrom",
      run_id::text as "runId"
    from vecpipe.generations where store = $1 and collection = $2
    order by generation desc limit 1`,
    [store.location, collection],
    options,
  );
  const [row] = rows;
  if (!row) return null;
  if (row.status !== 'building' || row.number !== 1 || row.adoptedFrom === null) {
    throw usageError(
      'adoption_built',
      `vecpipe already keeps the collection ${collection}, and only a first generation can be adopted`,
      'give the entity another `collection:` to adopt one beside it',
    );
  }
  if (row.runId !== null && row.runId !== runId && (await isRunning(adoption, row.runId))) {
    throw runningError(collection);
  }
  const isOther = row.adoptedFrom !== adopted || row.fingerprint !== fingerprintOf(settings);
  // The only copy of what was deleted already.
  if (isOther && (await store.describeCollection(row.adoptedFrom, options)) === null) {
    throw usageError(
      'adoption_built',
      `an adoption of ${row.adoptedFrom} for ${collection} is not finished, and ${row.adoptedFrom} is gone`,
      'run `vecpipe adopt` as it was begun, which finishes it',
    );
  }
  return { id: row.id, runId: row.runId, isOther };
}

/** Forgets an adoption that is of no use, and deletes what it has copied. */
export async function abandonBegun(
  { database, store, collection, options }: Adoption,
  { id, runId }: BegunAdoption,
): Promise<void> {
  await store.deleteCollection(physicalName(collection, 1), options);
  await database.query(
    `delete from vecpipe.generations
    where id = $1 and status = 'building' and run_id is not distinct from $2::uuid`,
    [id, runId],
    options,
  );
}

/**
 * Records the generation and makes its collection, tuned like the adopted one and set for a load. May be repeated
 * after a crash at any place.
 */
export async function beginAdopted(adoption: Adoption, begun: BegunAdoption | null): Promise<Generation> {
  const { database, store, collection, settings, adopted, runId, options } = adoption;
  const fingerprint = fingerprintOf(settings);
  const generation = {
    number: 1,
    collection,
    physical: physicalName(collection, 1),
    fingerprint,
    dimensions: settings.dimensions,
  };
  const { rows } = await database.query<{ id: number }>(
    begun === null
      ? `insert into vecpipe.generations
          (store, collection, generation, fingerprint, settings, dimensions, status, run_id)
        values ($1, $2, 1, $3, $4::text::jsonb, $5, 'building', $6::uuid)
        on conflict do nothing returning id`
      : `update vecpipe.generations set run_id = $2::uuid
        where id = $1 and run_id is not distinct from $3::uuid and status = 'building' returning id`,
    begun === null
      ? [
          store.location,
          collection,
          fingerprint,
          JSON.stringify({ ...settings, adoptedFrom: adopted }),
          settings.dimensions,
          runId,
        ]
      : [begun.id, runId, begun.runId],
    options,
  );
  const id = rows[0]?.id;
  if (id === undefined) throw runningError(collection);
  await openCollection(adoption, { ...generation, id });
  return { ...generation, id };
}

async function openCollection(
  { database, store, adopted, options }: Adoption,
  { id, physical, dimensions }: Generation,
): Promise<void> {
  if ((await store.describeCollection(physical, options)) === null) {
    // Whatever was copied into it has gone with it.
    await database.query('delete from vecpipe.vector_state where generation_id = $1', [id], options);
  }
  const isThere = (await store.describeCollection(adopted, options)) !== null;
  await store.createCollection(physical, dimensions, { ...options, ...(isThere && { like: adopted }) });
  await beginLoad(database, store, { id, physical }, options);
}

/** Restores the settings, waits for the index, gives readers the alias and records the generation as live. */
export async function finishAdopted(adoption: Adoption, generation: Generation): Promise<void> {
  const { database, store, adopted, collection, replaces, options } = adoption;
  const { id, physical } = generation;
  await endLoad(database, store, generation, options);
  await store.finishLoad(physical, { ...options, waits: true });
  if (replaces && adopted === collection) await store.deleteCollection(adopted, options);
  await store.setAlias(collection, physical, options);
  await database.query(
    `update vecpipe.generations set status = 'live', run_id = null where id = $1 and status = 'building'`,
    [id],
    options,
  );
}

async function isRunning({ database, runId: ownRunId, options }: Adoption, runId: string): Promise<boolean> {
  const { rows } = await database.query(
    'select from vecpipe.runs where id = $1::uuid and finished_at is null',
    [runId],
    options,
  );
  if (rows.length === 0) return false;
  return !(await findDeadRuns(database, ownRunId, options)).includes(runId);
}

function runningError(collection: string) {
  return unavailableError(
    'adoption_running',
    `another run is building the collection ${collection} right now`,
    'wait until it has ended',
  );
}
