import { retryConflicts } from '../db/retry-conflicts.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { readBacklog, readFailedRows } from '../queue/backlog.ts';
import { retryFailedRows } from '../queue/requeue-rows.ts';
import type { Failure } from './counts.ts';
import { queueChanges } from './queue-changes.ts';
import { recordedPoints } from './recorded-points.ts';
import { drainQueue } from './drain-queue.ts';
import type { DrainOptions } from './drain-queue.ts';
import type { BatchContext } from './process-batch.ts';
import { ownPoints } from './own-points.ts';
import { targetName } from './target.ts';
import type { Target } from './target.ts';

export interface VectorizeOptions extends DrainOptions {
  /** Leave the source alone and only work on what is queued. */
  queuedOnly: boolean;
  /** Give rows that rest as failed another try. */
  retryFailed: boolean;
  /** Forget what is recorded as stored, so that every row is written again. */
  refresh: boolean;
  /** Delete vanished rows even when they are more than the guard lets pass. */
  deleteAll: boolean;
}

/** Failures listed in a report at the most, per target; the counts are always complete. */
const LISTED_FAILURES = 100;

/**
 * Makes the collections true to the rows: finds what changed, works the queue off, checks the number of points.
 * Fills the targets' counts.
 * @returns the rows that could not be done, those of earlier runs that still rest included
 * @throws the first failure of a target, after the others were worked on; VecpipeError `drift` when the store
 *   holds fewer points than were recorded
 */
export async function vectorize(
  context: BatchContext,
  targets: readonly Target[],
  options: VectorizeOptions,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  const ready: Target[] = [];
  let failed: { error: unknown } | undefined;
  for (const target of targets) {
    if (options.stop.aborted) break;
    try {
      failures.push(...(await findWork(context, target, options)));
      ready.push(target);
    } catch (error) {
      // A known error concerns its target alone.
      if (!(error instanceof VecpipeError)) throw error;
      context.report({ type: 'warning', message: `${targetName(target)}: ${error.message}` });
      failed ??= { error };
    }
  }
  try {
    await drainQueue(context, ready, options);
  } catch (error) {
    if (!failed || !(error instanceof VecpipeError)) failed = { error };
  }
  for (const target of targets) {
    failures.push(...(await readOutcome(context, target)));
  }
  if (failed) throw new VectorizeFailure(failed.error, failures);
  try {
    await finishCollections(context, targets, options.stop);
    const drift = await findDrift(context, targets, options.stop);
    if (drift) throw new VectorizeFailure(drift, failures);
  } catch (error) {
    // Neither is lost: the next run builds what is missing and looks again.
    if (!options.stop.aborted) throw error;
  }
  return failures;
}

/** Carries the row failures of a run that ended with an error of its own, which is its `cause`. */
export class VectorizeFailure extends Error {
  override readonly name = 'VectorizeFailure';
  readonly failures: readonly Failure[];
  constructor(cause: unknown, failures: readonly Failure[]) {
    super('the run ended early', { cause });
    this.failures = failures;
  }
}

async function findWork(
  context: BatchContext,
  target: Target,
  options: VectorizeOptions,
): Promise<Failure[]> {
  const { database, report } = context;
  const { tenant, entity, generation, counts } = target;
  if (options.retryFailed) await retryFailedRows(database, tenant, entity, { signal: options.stop });
  if (options.refresh) await forgetRecorded(context, target);
  if (options.queuedOnly) return [];
  report({ type: 'step', message: `Looking for changes in ${targetName(target)}` });
  const { deleteAll, stop } = options;
  const changes = { deleteAll, dryRun: false, signal: stop };
  const failures = await queueChanges(database, target.source, generation.id, counts, changes);
  if (counts.queued > 0) report({ type: 'queued', tenant, entity, queued: counts.queued });
  return failures;
}

async function forgetRecorded({ database }: BatchContext, target: Target): Promise<void> {
  await retryConflicts(() =>
    database.query(
      `update vecpipe.vector_state set row_hash = null, text_hash = ''
      where generation_id = $1 and tenant = $2 and entity = $3`,
      [target.generation.id, target.tenant, target.entity],
    ),
  );
}

async function readOutcome(
  { database }: BatchContext,
  { tenant, entity, counts }: Target,
): Promise<Failure[]> {
  const backlog = await readBacklog(database, tenant, entity);
  counts.pending = backlog.pending;
  counts.failed = backlog.failed;
  const rows = await readFailedRows(database, tenant, entity, { limit: LISTED_FAILURES });
  return rows.map((row) => ({ tenant, entity, ...row }));
}

/** Also where this run wrote nothing: an earlier one may have ended before it came to this. */
async function finishCollections(
  { store }: BatchContext,
  targets: readonly Target[],
  signal: AbortSignal,
): Promise<void> {
  const collections = new Set(targets.map((target) => target.generation.physical));
  for (const collection of collections) {
    signal.throwIfAborted();
    await store.finishLoad(collection, { signal });
  }
}

/** Reads of a store and a database that others write to do not happen at one instant; a real loss stays. */
const DRIFT_READS = 3;

/**
 * The last line of defence against success over an empty collection: where nothing is left to do, the store
 * must hold every point that was recorded.
 */
async function findDrift(
  context: BatchContext,
  targets: readonly Target[],
  signal: AbortSignal,
): Promise<VecpipeError | null> {
  let drift: VecpipeError | null = null;
  for (const target of targets) {
    const { recorded, stored } = await countPoints(context, target, signal);
    const { collection } = target.generation;
    if (stored > recorded) {
      const message = `collection ${collection} holds ${stored - recorded} points of ${targetName(target)} that no row accounts for`;
      context.report({ type: 'warning', message });
    }
    if (stored >= recorded) continue;
    drift ??= new VecpipeError(
      'drift',
      `collection ${collection} holds ${stored} of the ${recorded} points recorded for ${targetName(target)}`,
      { code: 'points_missing', hint: 'run `vecpipe vectorize --refresh` to write every row again' },
    );
  }
  return drift;
}

/** Points on both sides; equal numbers where rows are still to be worked on and nothing can be said. */
async function countPoints(
  { database, store }: BatchContext,
  { tenant, entity, generation }: Target,
  signal: AbortSignal,
): Promise<{ recorded: number; stored: number }> {
  let recorded = 0;
  let stored = 0;
  for (let read = 0; read < DRIFT_READS; read += 1) {
    recorded = await recordedPoints(database, generation.id, tenant, entity, { signal });
    stored = await store.count(generation.physical, { filter: ownPoints(tenant, entity), signal });
    if (stored === recorded) break;
    const { pending, failed } = await readBacklog(database, tenant, entity, { signal });
    // Rows that rest as failed write nothing, and one of them must not switch the check off for good.
    if (pending > failed) return { recorded, stored: recorded };
  }
  return { recorded, stored };
}
