import { retryConflicts } from '../db/retry-conflicts.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { readBacklog, readFailedRows } from '../queue/backlog.ts';
import { retryFailedRows } from '../queue/requeue-rows.ts';
import { needsComparison, noteCompared, readEpoch } from '../triggers/baseline.ts';
import { heldDeletes } from '../triggers/delete-guard.ts';
import { noCounts } from './counts.ts';
import type { Counts, Failure } from './counts.ts';
import { differenceFailures, queueChanges } from './queue-changes.ts';
import { recordedPoints } from './recorded-points.ts';
import { drainQueue } from './drain-queue.ts';
import type { DrainOptions, DrainTargets } from './drain-queue.ts';
import type { BatchContext } from './process-batch.ts';
import { ownPoints } from './own-points.ts';
import { hasOtherCollection } from './has-other-collection.ts';
import { workOf } from '../queue/work.ts';
import { isBuilding, noTally, targetName } from './target.ts';
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
  /** How the queue is worked off; left out: by this process. */
  drain?: DrainTargets;
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
  const run = new Run(context, options, targets.length > 1);
  for (const target of targets) await run.attempt([target], () => run.findWork(target));
  await run.drainAll();
  for (const target of run.ready) await run.attempt([target], () => run.noteHeldDeletes(target));
  // Also where another target failed: each is checked for itself.
  for (const target of run.ready)
    await run.attempt([target], () => finishTarget(context, target, options.stop));

  const failures = run.failures();
  for (const target of targets) {
    try {
      failures.push(...(await readOutcome(context, target)));
    } catch (error) {
      // The database is away, and what is left is only known as far as this run has seen it.
      target.counts.pending = Math.max(0, target.tally.found - target.tally.finished);
      run.failed ??= { error };
    }
  }
  if (run.failed) throw new VectorizeFailure(run.failed.error, failures);
  return failures;
}

/** Rounds of comparing and draining; each halves what two runs of different collections take from each other. */
const MAX_ROUNDS = 20;

/** Keeps what fails for one target from stopping the others. */
class Run {
  /** The first thing that failed. */
  failed: { error: unknown } | undefined;
  readonly #broken = new Set<Target>();
  readonly #targetFailures: Failure[] = [];
  /** What the last comparison of a target found that cannot be queued. */
  readonly #sourceFailures = new Map<Target, Failure[]>();
  readonly #seen: Target[] = [];
  readonly #context: BatchContext;
  readonly #options: VectorizeOptions;

  readonly #hasSeveral: boolean;

  constructor(context: BatchContext, options: VectorizeOptions, hasSeveral: boolean) {
    this.#context = context;
    this.#options = options;
    this.#hasSeveral = hasSeveral;
  }

  failures(): Failure[] {
    return [...this.#targetFailures, ...[...this.#sourceFailures.values()].flat()];
  }

  get ready(): Target[] {
    return this.#seen.filter((target) => !this.#broken.has(target));
  }

  /** Does nothing once a stop was asked for: neither index nor check is lost, the next run comes to them. */
  async attempt(targets: readonly Target[], work: () => Promise<void>): Promise<void> {
    if (this.#options.stop.aborted) return;
    for (const target of targets) if (!this.#seen.includes(target)) this.#seen.push(target);
    try {
      await work();
    } catch (error) {
      if (this.#options.stop.aborted) return;
      // A known error concerns its target alone.
      if (!(error instanceof VecpipeError)) throw error;
      for (const target of targets) this.#break(target, error);
    }
  }

  async findWork(target: Target): Promise<void> {
    const { database } = this.#context;
    const { tenant, entity, generation } = target;
    const { retryFailed, refresh, queuedOnly, stop } = this.#options;
    if (retryFailed) await retryFailedRows(database, tenant, entity, { signal: stop, ...workOf(target) });
    if (refresh) await forgetRecorded(this.#context, target);
    if (queuedOnly && !generation.isEmpty) return;
    if (!refresh && !generation.isEmpty && !isBuilding(target)) {
      const { source } = target;
      if (!(await needsComparison(database, source, generation.id, { signal: stop }))) return;
    }
    await this.#compare(target, target.counts);
  }

  /**
   * Drains, and compares again where rows that were queued are not accounted for: they had gone from the source
   * meanwhile, or a run with another collection, which shares the queue, took them.
   */
  async drainAll(): Promise<void> {
    const { stop, limit, queuedOnly, waitsForOthers = true } = this.#options;
    for (let round = 1; ; round += 1) {
      await this.attempt(this.ready, () => this.#drain());
      if (stop.aborted || limit !== null || queuedOnly || !waitsForOthers) return;
      const open: Target[] = [];
      for (const target of this.ready) {
        await this.attempt([target], async () => {
          if (await this.#mayBeIncomplete(target)) open.push(target);
        });
      }
      if (open.length === 0) return;
      let left = 0;
      for (const target of open) {
        await this.attempt([target], async () => {
          const again = noCounts();
          await this.#compare(target, again);
          for (const name of ['inserted', 'updated', 'queued'] as const) target.counts[name] += again[name];
          const { tenant, entity } = target;
          const backlog = await readBacklog(this.#context.database, tenant, entity, workOf(target));
          const { pending, failed } = backlog;
          // Not the backlog alone: another run may have taken, since we compared, what is still missing here.
          left += Math.max(pending - failed, target.tally.found - failed, again.queued);
        });
      }
      if (left === 0) return;
      if (round === MAX_ROUNDS) for (const target of open) this.#break(target, takenByOthers(target));
    }
  }

  /** Tells of deletes that triggers have queued and the guard holds, where the comparison has not said so already. */
  async noteHeldDeletes(target: Target): Promise<void> {
    const { source, generation } = target;
    if (this.#options.deleteAll || isBuilding(target)) return;
    const held = await heldDeletes(this.#context.database, source, generation.id, {
      signal: this.#options.stop,
    });
    const failures = this.#sourceFailures.get(target) ?? [];
    if (failures.some(({ code }) => code === 'delete_guard')) return;
    this.#sourceFailures.set(target, [...failures, ...differenceFailures(source, { ...held, keyless: 0 })]);
  }

  /** Rows that another collection's run has queued count as finished too, so where there is one, counts prove nothing. */
  async #mayBeIncomplete(target: Target): Promise<boolean> {
    const { found, finished, dropped } = target.tally;
    if (dropped > 0 || finished < found) return true;
    return finished > 0 && !isBuilding(target) && (await hasOtherCollection(this.#context.database, target));
  }

  async #compare(target: Target, counts: Counts): Promise<void> {
    const { database, report } = this.#context;
    const { deleteAll, stop } = this.#options;
    const { tenant, entity, source, generation, tally } = target;
    report({ type: 'step', message: `Looking for changes in ${targetName(target)}` });
    const queuedBefore = counts.queued;
    const changes = { deleteAll, dryRun: false, signal: stop, ...workOf(target) };
    const epoch = isBuilding(target) ? null : await readEpoch(database, source, { signal: stop });
    const { found, failures } = await queueChanges(database, source, generation.id, counts, changes);
    // What was left out has to be found again.
    if (failures.length === 0) await noteCompared(database, source, generation.id, epoch, { signal: stop });
    this.#sourceFailures.set(target, failures);
    Object.assign(tally, noTally(), { found });
    const queued = counts.queued - queuedBefore;
    if (queued > 0) report({ type: 'queued', tenant, entity, queued });
  }

  async #drain(): Promise<void> {
    const { drain = drainQueue } = this.#options;
    const broken = await drain(this.#context, this.ready, this.#options);
    for (const [target, error] of broken) this.#break(target, error);
  }

  #break(target: Target, error: unknown): void {
    this.failed ??= { error };
    if (this.#broken.has(target)) return;
    this.#broken.add(target);
    // With one target the error that ends the run says it all.
    if (error instanceof VecpipeError && this.#hasSeveral)
      this.#targetFailures.push(targetFailure(target, error));
  }
}

/** That a whole target could not be worked on, or not to its end. */
export function targetFailure(target: { tenant: string; entity: string }, error: VecpipeError): Failure {
  return { tenant: target.tenant, entity: target.entity, key: '*', code: error.code, message: error.message };
}

function takenByOthers(target: Target): VecpipeError {
  return new VecpipeError(
    'drift',
    `other vecpipe runs with another collection for ${targetName(target)} keep taking its rows from the queue`,
    { code: 'rows_taken', hint: 'run the same command again when they have ended' },
  );
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

async function forgetRecorded({ database }: BatchContext, target: Target): Promise<void> {
  await retryConflicts(() =>
    database.query(
      `update vecpipe.vector_state set row_hash = null, text_hash = ''
      where generation_id = $1 and tenant = $2 and entity = $3`,
      [target.generation.id, target.tenant, target.entity],
    ),
  );
}

async function readOutcome({ database }: BatchContext, target: Target): Promise<Failure[]> {
  const { tenant, entity, counts } = target;
  const backlog = await readBacklog(database, tenant, entity, workOf(target));
  counts.pending = backlog.pending;
  // One that is due again by now has failed nevertheless.
  counts.failed = backlog.unrepaired;
  if (backlog.unrepaired === 0) return [];
  const rows = await readFailedRows(database, tenant, entity, { limit: LISTED_FAILURES, ...workOf(target) });
  return rows.map((row) => ({ tenant, entity, ...row }));
}

/** Also where this run wrote nothing: an earlier one may have ended before it came to the index. */
async function finishTarget(context: BatchContext, target: Target, signal: AbortSignal): Promise<void> {
  // Whoever builds a generation finishes its load when all of its tenants are there.
  if (!isBuilding(target)) await context.store.finishLoad(target.generation.physical, { signal });
  await target.receipts?.sweep({ signal });
  await refuseDrift(context, target, signal);
}

/** Reads of a store and a database that others write to do not happen at one instant; a real loss stays. */
const DRIFT_READS = 3;

/**
 * The last line of defence against success over an empty collection: where nothing is left to do, the store
 * must hold every point that was recorded.
 * @throws {VecpipeError} `drift`
 */
async function refuseDrift(context: BatchContext, target: Target, signal: AbortSignal): Promise<void> {
  const { recorded, stored } = await countPoints(context, target, signal);
  const { collection } = target.generation;
  if (stored > recorded) {
    const message = `collection ${collection} holds ${stored - recorded} points of ${targetName(target)} that no row accounts for; searches may show them, and vecpipe did not write them`;
    context.report({ type: 'warning', message });
  }
  if (stored >= recorded) return;
  throw new VecpipeError(
    'drift',
    `collection ${collection} holds ${stored} of the ${recorded} points recorded for ${targetName(target)}`,
    { code: 'points_missing', hint: 'run `vecpipe vectorize --refresh` to write every row again' },
  );
}

/** Points on both sides; equal numbers where rows are still to be worked on and nothing can be said. */
async function countPoints(
  { database, store }: BatchContext,
  target: Target,
  signal: AbortSignal,
): Promise<{ recorded: number; stored: number }> {
  const { tenant, entity, generation } = target;
  let recorded = 0;
  let stored = 0;
  for (let read = 0; read < DRIFT_READS; read += 1) {
    recorded = await recordedPoints(database, generation.id, tenant, entity, { signal });
    stored = await store.count(generation.physical, { filter: ownPoints(tenant, entity), signal });
    if (stored === recorded) break;
    const { pending, failed } = await readBacklog(database, tenant, entity, { signal, ...workOf(target) });
    // Rows that rest as failed write nothing, and one of them must not switch the check off for good.
    if (pending > failed) return { recorded, stored: recorded };
  }
  return { recorded, stored };
}
