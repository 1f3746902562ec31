import { unavailableError, usageError } from '../errors/vecpipe-error.ts';
import { fingerprintOf } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { readGenerations } from './generation-records.ts';
import type { GenerationRecord } from './generation-records.ts';

export interface ClaimedGeneration {
  live: GenerationRecord;
  building: GenerationRecord;
  /** An interrupted run began it, and its points and records are still there. */
  isResumed: boolean;
  /** Was being built with settings that are not wanted any more: to be dropped. */
  abandoned: GenerationRecord | null;
}

/**
 * Makes a run the one that builds a collection's next generation: goes on with the one that an interrupted run has
 * begun when it is of the same settings, and begins another otherwise. The dead must have been noted as such before
 * (see `recoverLeases`).
 * @throws {VecpipeError} `unavailable` when another run builds one; `usage` when there is no live generation
 */
export async function claimGeneration(
  database: Database,
  store: VectorStore,
  { collection, settings, runId }: { collection: string; settings: FingerprintSettings; runId: string },
  options: CallOptions = {},
): Promise<ClaimedGeneration> {
  const taken = await highestNumber(store, collection, options);
  const outcome = await database.transaction(async (tx) => {
    await tx.query(
      `select from vecpipe.generations where store = $1 and collection = $2 order by id for no key update`,
      [store.location, collection],
    );
    const records = await readGenerations(tx, store.location, collection);
    const live = records.find(({ status }) => status === 'live');
    if (!live) throw nothingToReindex(collection);
    const begun = records.find(({ status }) => status === 'building') ?? null;
    if (begun) await refuseRunning(tx, begun, runId);
    const isResumed = begun?.fingerprint === fingerprintOf(settings);
    if (begun && !isResumed) await abandon(tx, begun);
    const id = isResumed ? begun.id : await insertBuilding(tx, store.location, collection, settings, taken);
    await tx.query('update vecpipe.generations set run_id = $2::uuid where id = $1', [id, runId]);
    return { liveId: live.id, id, isResumed, abandonedId: isResumed ? null : (begun?.id ?? null) };
  }, options);
  const records = await readGenerations(database, store.location, collection, options);
  const recordOf = (id: number | null) => records.find((record) => record.id === id) ?? null;
  const [live, building] = [recordOf(outcome.liveId), recordOf(outcome.id)];
  if (!live || !building) throw new Error(`a generation of ${collection} vanished while it was claimed`);
  return { live, building, isResumed: outcome.isResumed, abandoned: recordOf(outcome.abandonedId) };
}

/**
 * Gives up what an interrupted run has begun to build with other settings than these.
 * @returns what is to be dropped, or null when there is none
 * @throws {VecpipeError} `unavailable` when a run is at work on it
 */
export async function abandonOthers(
  database: Database,
  storeLocation: string,
  { collection, settings, runId }: { collection: string; settings: FingerprintSettings; runId: string },
  options: CallOptions = {},
): Promise<GenerationRecord | null> {
  return database.transaction(async (tx) => {
    const records = await readGenerations(tx, storeLocation, collection);
    const begun = records.find(({ status }) => status === 'building');
    if (!begun || begun.fingerprint === fingerprintOf(settings)) return null;
    await refuseRunning(tx, begun, runId);
    return (await abandon(tx, begun)) ? begun : null;
  }, options);
}

/** Its row stays until its points are gone: `dropped` ones are not looked for. @returns false when another run has it */
async function abandon(tx: Queryable, { id, runId }: GenerationRecord): Promise<boolean> {
  const { changed } = await tx.query(
    `update vecpipe.generations set status = 'retired', run_id = null, retired_at = null, keep_until = now()
    where id = $1 and status = 'building' and run_id is not distinct from $2::uuid`,
    [id, runId],
  );
  return changed === 1;
}

export function nothingToReindex(collection: string) {
  return usageError(
    'nothing_to_reindex',
    `collection ${collection} has not been built yet, so there is nothing to rebuild`,
    'run `vecpipe vectorize`, which builds it',
  );
}

/**
 * Refuses to touch a generation that another run is at work on.
 * @throws {VecpipeError} `unavailable`
 */
export async function refuseRunning(tx: Queryable, begun: GenerationRecord, runId: string): Promise<void> {
  const { rows } = await tx.query<{ id: string; machine: string; pid: number; startedAt: Date }>(
    `select id::text, machine, pid, started_at as "startedAt" from vecpipe.runs
    where id = $1::uuid and id <> $2::uuid and finished_at is null`,
    [begun.runId, runId],
  );
  const [run] = rows;
  if (!run) return;
  throw unavailableError(
    'reindex_running',
    `collection ${begun.collection} is already being rebuilt by run ${run.id.slice(0, 8)} (process ${run.pid}, since ${run.startedAt.toISOString()})`,
    'wait for it, or stop it: the same command then goes on where it ended',
  );
}

async function insertBuilding(
  tx: Queryable,
  storeLocation: string,
  collection: string,
  settings: FingerprintSettings,
  taken: number,
): Promise<number> {
  const { rows } = await tx.query<{ id: number }>(
    `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
    select $1, $2, greatest(max(generation), $6) + 1, $3, $4::text::jsonb, $5, 'building'
    from vecpipe.generations where store = $1 and collection = $2
    returning id`,
    [
      storeLocation,
      collection,
      fingerprintOf(settings),
      JSON.stringify(settings),
      settings.dimensions,
      taken,
    ],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error(`no generation of ${collection} was begun`);
  return id;
}

/** Of the generations in the store, also of those that this database has no record of: never to be written into. */
async function highestNumber(store: VectorStore, collection: string, options: CallOptions): Promise<number> {
  const prefix = `${collection}__`;
  const numbers = (await store.listCollections(options))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((rest) => /^\d{1,9}$/.test(rest))
    .map(Number);
  return Math.max(0, ...numbers);
}
