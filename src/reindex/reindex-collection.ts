import type { Failure } from '../pipeline/counts.ts';
import { fingerprintOf } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import { findGenerationId, healAlias } from '../pipeline/generation.ts';
import type { OpenGeneration } from '../pipeline/generation.ts';
import { noTally } from '../pipeline/target.ts';
import type { Target } from '../pipeline/target.ts';
import type { BatchContext } from '../pipeline/process-batch.ts';
import { vectorize } from '../pipeline/vectorize.ts';
import type { VectorizeOptions } from '../pipeline/vectorize.ts';
import { errorMessage } from '../util/error-message.ts';
import { claimGeneration, refuseRunning } from './claim-generation.ts';
import type { ClaimedGeneration } from './claim-generation.ts';
import { copySourceFor } from './copy-source.ts';
import { dropGeneration } from './drop-generations.ts';
import { readGenerations } from './generation-records.ts';
import type { GenerationRecord } from './generation-records.ts';
import { holdClaims } from './hold-claims.ts';
import { beginLoad, endLoad } from './load-profile.ts';
import { countLost, rowsLost } from './lost-rows.ts';
import { refuseShrinking } from './shrink-guard.ts';
import { swapGenerations } from './swap.ts';
import { waitForLeases } from './wait-for-leases.ts';

/** A collection with all tenants whose rows are in it; of one entity. */
export interface ReindexUnit {
  collection: string;
  entity: string;
  /** At least one, all with the same settings. */
  targets: readonly Omit<Target, 'generation'>[];
}

export interface ReindexOptions extends Omit<VectorizeOptions, 'queuedOnly' | 'refresh' | 'limit'> {
  /** For so long the old generation is kept; null until it is dropped by hand. */
  keepMs: number | null;
}

export interface Reindexed {
  /** The generation that is live now. */
  generation: number;
  /** False where rows stood against it, or the run was stopped. */
  isSwapped: boolean;
  failures: Failure[];
}

/**
 * Builds the next generation of a collection beside the live one, which goes on being read and written, compares it
 * with the rows, and makes it the live one. The targets' counts say what was done.
 *
 * The work for it is in the queue under its own id, so that this run can be ended at any moment and repeated, and
 * other changes go to the live generation as ever. Before the swap no worker may claim rows for the live one, and those
 * that are under way are waited for: what has reached it by then is found by a last comparison, so that nothing that
 * readers have seen, a deleted row least of all, is undone by the swap.
 * @throws {VecpipeError} as `vectorize` does, wrapped in VectorizeFailure; `unavailable` when another run rebuilds the
 *   collection; `usage` when it has no generation yet, or more than a fifth of its rows would vanish
 */
export async function reindexCollection(
  context: BatchContext,
  unit: ReindexUnit,
  options: ReindexOptions,
): Promise<Reindexed> {
  const { database, store, report } = context;
  const { runId, stop } = options;
  const [first] = unit.targets;
  if (!first) throw new Error(`collection ${unit.collection} without tenants`);
  const { collection } = unit;
  const { settings } = first;
  const completed = await completeSwap(context, unit, settings, options);
  if (completed) return completed;
  // Before anything is begun: what is refused leaves nothing behind.
  await refuseSmaller(context, unit, options);
  const claimed = await claimGeneration(database, store, { collection, settings, runId }, { signal: stop });
  const { live, building, abandoned, isResumed } = claimed;
  if (abandoned) await dropGeneration(database, store, abandoned, { signal: stop });
  report({
    type: 'notice',
    message: isResumed
      ? `Going on with generation ${building.number} of ${collection}`
      : `Building generation ${building.number} of ${collection} beside generation ${live.number}`,
  });
  if (isResumed) await forgetLost(context, building, stop);
  const hasLive = (await store.describeCollection(live.physical, { signal: stop })) !== null;
  await store.createCollection(building.physical, building.dimensions, {
    signal: stop,
    ...(hasLive && { like: live.physical }),
  });
  const targets = buildingTargets(unit, claimed, hasLive);
  const failures: Failure[] = [];
  const kept = { generation: live.number, isSwapped: false };
  try {
    await beginLoad(database, store, building, { signal: stop });
    failures.push(...(await fill(context, targets, options)));
    if (stop.aborted) return { ...kept, failures };
  } finally {
    // Also on the way out: what this run has changed it puts back.
    await restore(context, building);
  }
  report({ type: 'step', message: `Waiting until ${collection} is indexed` });
  await store.finishLoad(building.physical, { signal: stop, waits: true });
  // That may have taken long, and what has come meanwhile is not to be done while others wait.
  await fillAgain(context, targets, options);
  if (stop.aborted) return { ...kept, failures };

  await using hold = await holdClaims(database, live.id);
  const tenants = unit.targets.map(({ tenant }) => tenant);
  await waitForLeases(context, { entity: unit.entity, tenants }, options);
  failures.splice(0, Infinity, ...(await fillAgain(context, targets, options)));
  if (stop.aborted) return { ...kept, failures };
  failures.push(...(await rowsStandingAgainst(context, unit, claimed, options)));
  if (failures.some(({ code }) => BLOCKING.has(code))) return { ...kept, failures };
  await refuseSmaller(context, unit, options);
  await swapGenerations(database, store, {
    live,
    next: building,
    entity: unit.entity,
    tenants,
    keepMs: options.keepMs,
  });
  report({
    type: 'notice',
    message: `Collection ${collection} is generation ${building.number} now; generation ${live.number} is kept for --rollback`,
  });
  await hold[Symbol.asyncDispose]();
  const caughtUp = await catchUp(context, unit, building, options);
  return { generation: building.number, isSwapped: true, failures: caughtUp };
}

/** @throws {VecpipeError} `usage` where the new generation would be much smaller, unless that is wanted */
async function refuseSmaller(
  { database, store }: BatchContext,
  { collection, targets }: ReindexUnit,
  { deleteAll, stop }: ReindexOptions,
): Promise<void> {
  if (deleteAll) return;
  const liveId = await findGenerationId(database, store.location, collection, { signal: stop });
  if (liveId === null) return;
  for (const { source } of targets) await refuseShrinking(database, source, liveId, { signal: stop });
}

/** Where the store has lost what an interrupted run had built, its rows are found to be missing. */
async function forgetLost(
  { database, store }: BatchContext,
  { id, physical }: GenerationRecord,
  signal: AbortSignal,
): Promise<void> {
  const isThere = (await store.describeCollection(physical, { signal })) !== null;
  if (isThere && (await store.count(physical, { signal })) > 0) return;
  await database.query('delete from vecpipe.vector_state where generation_id = $1 and chunks > 0', [id], {
    signal,
  });
}

/** What stands against a swap; other failed rows are no worse off than in the live generation. */
const BLOCKING: ReadonlySet<string> = new Set(['rows_lost', 'delete_guard']);

function buildingTargets(
  unit: ReindexUnit,
  { live, building }: ClaimedGeneration,
  hasLive: boolean,
): Target[] {
  return unit.targets.map((target) => ({
    ...target,
    generation: { ...building, isEmpty: false },
    building: building.id,
    copySource: hasLive ? copySourceFor(live, target.settings) : undefined,
  }));
}

function fill(
  context: BatchContext,
  targets: readonly Target[],
  options: ReindexOptions,
): Promise<Failure[]> {
  return vectorize(context, targets, { ...options, queuedOnly: false, refresh: false, limit: null });
}

/** Rows that this run has done before are not unchanged ones because of it. */
async function fillAgain(
  context: BatchContext,
  targets: readonly Target[],
  options: ReindexOptions,
): Promise<Failure[]> {
  const unchanged = targets.map(({ counts }) => counts.unchanged);
  try {
    return await fill(context, targets, options);
  } finally {
    targets.forEach(({ counts }, index) => (counts.unchanged = unchanged[index] ?? 0));
  }
}

async function restore({ database, store, report }: BatchContext, building: GenerationRecord): Promise<void> {
  try {
    await endLoad(database, store, building);
  } catch (error) {
    report({
      type: 'warning',
      message: `the settings of collection ${building.physical} could not be put back, which the next run does: ${errorMessage(error)}`,
    });
  }
}

/** Rows that readers find now and would not find any more. */
async function rowsStandingAgainst(
  { database }: BatchContext,
  { entity, targets }: ReindexUnit,
  { live, building }: ClaimedGeneration,
  { deleteAll, stop }: ReindexOptions,
): Promise<Failure[]> {
  if (deleteAll) return [];
  const failures: Failure[] = [];
  for (const { tenant } of targets) {
    const lost = await countLost(database, { live, building, tenant, entity }, { signal: stop });
    if (lost > 0) failures.push(rowsLost({ tenant, entity }, lost, building));
  }
  return failures;
}

/**
 * Where a run has ended between the swap and its own end, only what was left of it is done: the rows have not to be
 * gone through once more.
 */
async function completeSwap(
  context: BatchContext,
  unit: ReindexUnit,
  settings: FingerprintSettings,
  options: ReindexOptions,
): Promise<Reindexed | null> {
  const { database, store, report } = context;
  const { runId, stop } = options;
  const records = await readGenerations(database, store.location, unit.collection, { signal: stop });
  const live = records.find(({ status }) => status === 'live');
  if (!live || live.runId === null || live.fingerprint !== fingerprintOf(settings)) return null;
  await refuseRunning(database, live, runId);
  await healAlias(database, store, unit.collection, { signal: stop });
  report({
    type: 'notice',
    message: `Collection ${unit.collection} is generation ${live.number} now: an interrupted run had built it`,
  });
  return { generation: live.number, isSwapped: true, failures: await catchUp(context, unit, live, options) };
}

/** What has come while nobody could claim, and what is left of the queue, is done for the new live generation. */
async function catchUp(
  context: BatchContext,
  unit: ReindexUnit,
  building: GenerationRecord,
  options: ReindexOptions,
): Promise<Failure[]> {
  const generation: OpenGeneration = { ...building, isEmpty: false };
  const targets = unit.targets.map((target): Target => ({ ...target, generation, tally: noTally() }));
  const failures = await fillAgain(context, targets, options);
  if (!options.stop.aborted) {
    await context.database.query('update vecpipe.generations set run_id = null where id = $1', [building.id]);
  }
  return failures;
}
