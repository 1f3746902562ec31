import { setMaxListeners } from 'node:events';
import { pause } from '../lifetime/abort.ts';
import { settleReservations } from '../credits/settle-reservations.ts';
import { CreditsBusyError } from '../credits/tenant-credits.ts';
import { TableStatistics } from '../db/table-statistics.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { readBacklog } from '../queue/backlog.ts';
import { claimBatch } from '../queue/claim-batch.ts';
import type { ClaimOptions } from '../queue/claim-batch.ts';
import { releaseBatch } from '../queue/release-batch.ts';
import { releaseRun } from '../queue/release-run.ts';
import { renewLease } from '../queue/renew-lease.ts';
import { requeueRows } from '../queue/requeue-rows.ts';
import { workOf } from '../queue/work.ts';
import type { Batch, QueuePlace } from '../queue/work.ts';
import { errorMessage } from '../util/error-message.ts';
import { DeleteHold } from './delete-hold.ts';
import { LeaseLostError } from './held-lease.ts';
import { processBatch } from './process-batch.ts';
import type { BatchContext, WriteMark } from './process-batch.ts';
import { refuseReplaced } from './replaced.ts';
import { isBuilding } from './target.ts';
import type { Target } from './target.ts';

export interface DrainOptions {
  runId: string;
  /** Rows a batch at the most. */
  batchSize: number;
  /** Batches under way at once at the most: the only queue between the stages, and it is bounded. */
  batchesInFlight: number;
  leaseMs: number;
  /** Rows to work on at the most; null for all. */
  limit: number | null;
  /** Stop claiming; what is under way is finished. */
  stop: AbortSignal;
  /** Give up what is under way. */
  abort: AbortSignal;
  /** Say nothing of rows that others have leased: they are the other workers of the same run. */
  waitsSilently?: boolean;
  /** False ends the drain when all that is left is leased by others, for whoever comes back anyhow. */
  waitsForOthers?: boolean;
  /** Do deletes that triggers have queued even when they are more than the guard lets pass; left out: false. */
  deleteAll?: boolean;
}

/** Works on the targets' queues, see {@link drainQueue}. */
export type DrainTargets = (
  context: BatchContext,
  targets: readonly Target[],
  options: DrainOptions,
) => Promise<ReadonlyMap<Target, VecpipeError>>;

/** How often the queue is looked at again while another worker holds the rest of it. */
const POLL_MS = 250;
/** How often reservations that nobody holds any more are looked for while credits are waited for. */
const SWEEP_MS = 5_000;

/**
 * Works on the targets' queues, turn by turn, until nothing is left for them that can still be done: also
 * rows that another worker has leased are waited for, since that worker may die.
 *
 * A target whose store, provider or source fails is left alone while the others go on.
 * @returns the targets that failed, each with its first known error, when everything else has ended and every
 *   lease was given back
 * @throws anything that is no VecpipeError, after the same
 */
export async function drainQueue(
  context: BatchContext,
  targets: readonly Target[],
  options: DrainOptions,
): Promise<ReadonlyMap<Target, VecpipeError>> {
  return new Drain(context, options).run(targets);
}

interface Work {
  target: Target;
  batch: Batch;
  mark: WriteMark;
  controller: AbortController;
  done: Promise<void>;
}

class Drain {
  readonly #context: BatchContext;
  readonly #options: DrainOptions;
  readonly #inFlight = new Set<Work>();
  #claimed = 0;
  #finished = 0;
  #total = 0;
  /** Something that is no target's fault. */
  #bug: { error: unknown } | undefined;
  /** Targets that may have something to claim, the next in turn first. */
  #active: Target[] = [];
  readonly #broken = new Map<Target, VecpipeError>();
  /**
   * Targets for which nothing else can be done, and why: their tenant's credits are used up, or their provider is not
   * in the config any more. Deleting costs nothing, and what is gone must not be found.
   */
  readonly #onlyDeletes = new Map<Target, VecpipeError>();
  readonly #deleteHold: DeleteHold;
  /** Where the last claim ended. */
  readonly #places = new Map<Target, QueuePlace>();
  /** Targets whose tenant's credits are all reserved by batches under way, and when they are tried again. */
  readonly #busyUntil = new Map<Target, number>();
  readonly #recorded: TableStatistics;
  #waitingSaid = false;
  #nextSweepAt = 0;
  #renewal: Promise<void> | undefined;

  constructor(context: BatchContext, options: DrainOptions) {
    this.#context = context;
    this.#options = options;
    this.#recorded = new TableStatistics(context.database, 'vector_state');
    this.#deleteHold = new DeleteHold(context.database, options.deleteAll ?? false);
  }

  async run(targets: readonly Target[]): Promise<ReadonlyMap<Target, VecpipeError>> {
    const { abort, leaseMs } = this.#options;
    const abortAll = () => {
      for (const work of this.#inFlight) work.controller.abort(abort.reason);
    };
    abort.addEventListener('abort', abortAll);
    const heartbeat = setInterval(() => this.#beat(), leaseMs / 3);
    try {
      this.#active = [...targets];
      for (const target of targets) if (target.withheld) this.#onlyDeletes.set(target, target.withheld);
      await this.#countTotal(targets);
      await new TableStatistics(this.#context.database, 'queue').grewBy(this.#total);
      if (this.#total > 0) await this.#loop(targets);
    } finally {
      await Promise.all([...this.#inFlight].map((work) => work.done));
      clearInterval(heartbeat);
      // Whoever closes the database next must not close it under a renewal.
      await this.#renewal;
      await this.#freeWhatIsLeft(targets);
      abort.removeEventListener('abort', abortAll);
    }
    if (this.#bug) throw this.#bug.error;
    return this.#broken;
  }

  /** A drain that ends early may hold rows of a claim whose answer was lost. */
  async #freeWhatIsLeft(targets: readonly Target[]): Promise<void> {
    if (!this.#options.stop.aborted && this.#options.limit === null && this.#broken.size === 0) return;
    try {
      for (const target of targets) await this.#freeOwnLeases(target);
    } catch (error) {
      this.#warn(`leases could not be looked for and will run out by themselves: ${errorMessage(error)}`);
    }
  }

  async #loop(targets: readonly Target[]): Promise<void> {
    const { stop, batchesInFlight } = this.#options;
    while (!stop.aborted && !this.#bug) {
      if (this.#inFlight.size >= batchesInFlight) {
        await this.#oneDone();
        continue;
      }
      if (await this.#claimNext()) continue;
      if (this.#inFlight.size > 0) await this.#oneDoneOrCreditsBack();
      else if (!(await this.#waitForOthers(targets))) return;
    }
  }

  /** Starts the next batch in turn. @returns false when no target has anything to claim now */
  async #claimNext(): Promise<boolean> {
    const { runId, leaseMs, batchSize, limit } = this.#options;
    const passedOver: Target[] = [];
    const passOn = () => this.#active.unshift(...passedOver);
    for (let target = this.#active.shift(); target; target = this.#active.shift()) {
      if (this.#broken.has(target)) continue;
      if (this.#hasItsShare(target, passedOver) || performance.now() < (this.#busyUntil.get(target) ?? 0)) {
        passedOver.push(target);
        continue;
      }
      this.#busyUntil.delete(target);
      const left = limit === null ? batchSize : Math.min(batchSize, limit - this.#claimed);
      if (left <= 0) break;
      const shortage = this.#onlyDeletes.get(target);
      const holdsDeletes = (await this.#deleteHold.count(target)) > 0;
      if (holdsDeletes && shortage) {
        this.#broken.set(target, shortage);
        continue;
      }
      const batch = await this.#claim(target, {
        tenant: target.tenant,
        entity: target.entity,
        ...workOf(target),
        // Nobody else replaces a generation that is still being built.
        generationId: isBuilding(target) ? undefined : target.generation.id,
        runId,
        leaseMs,
        limit: left,
        only: holdsDeletes ? 'upsert' : shortage === undefined ? undefined : 'delete',
      });
      if (batch === null && shortage) this.#broken.set(target, shortage);
      if (batch === null) continue;
      this.#active.push(target);
      this.#claimed += batch.rows.length;
      this.#start(target, batch);
      passOn();
      return true;
    }
    passOn();
    return false;
  }

  /** From where the last claim ended, and once more from the beginning when there is nothing behind that. */
  async #claim(target: Target, options: ClaimOptions): Promise<Batch | null> {
    const { database } = this.#context;
    const after = this.#places.get(target);
    const behind = after && (await claimBatch(database, { ...options, after }));
    const batch = behind ?? (await claimBatch(database, options));
    if (batch) this.#places.set(target, batch.last);
    else this.#places.delete(target);
    return batch;
  }

  /**
   * Where several providers have work, none may hold all the batches under way: one that hangs would stop the
   * others' rows.
   */
  #hasItsShare(target: Target, passedOver: readonly Target[]): boolean {
    const own = target.embedder.provider;
    const busy = [...this.#inFlight].map((work) => work.target.embedder.provider);
    const waiting = [...this.#active, ...passedOver].filter((each) => !this.#broken.has(each));
    const providers = new Set([own, ...busy, ...waiting.map((each) => each.embedder.provider)]);
    const share = Math.max(1, Math.floor(this.#options.batchesInFlight / providers.size));
    return providers.size > 1 && busy.filter((each) => each === own).length >= share;
  }

  #start(target: Target, batch: Batch): void {
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const mark: WriteMark = { written: false, recording: false };
    const work: Work = { target, batch, mark, controller, done: Promise.resolve() };
    this.#inFlight.add(work);
    // A stop that came while the claim was under way must reach this batch as well.
    if (this.#options.abort.aborted) controller.abort(this.#options.abort.reason);
    work.done = this.#process(target, batch, mark, controller.signal).finally(() =>
      this.#inFlight.delete(work),
    );
  }

  async #process(target: Target, batch: Batch, mark: WriteMark, signal: AbortSignal): Promise<void> {
    try {
      await this.#ensureLease(batch);
      await processBatch(this.#context, target, batch, mark, { signal });
      await this.#recorded.grewBy(batch.rows.length);
      this.#finished += batch.rows.length;
      this.#context.report({
        type: 'progress',
        done: this.#finished,
        total: Math.max(this.#total, this.#finished),
      });
    } catch (error) {
      this.#claimed -= batch.rows.length;
      await this.#giveBack(batch, mark, error);
      // Somebody else has the rows now, or they come back to us: no reason to end the run.
      if (error instanceof LeaseLostError) this.#warn(`${error.message}; its rows are done again`);
      else if (error instanceof CreditsBusyError) this.#busyUntil.set(target, performance.now() + POLL_MS);
      else if (!this.#options.abort.aborted) this.#fail(error, target);
    }
  }

  /** A claim that had to wait for the database says of its lease's end what is over already. */
  async #ensureLease(batch: Batch): Promise<void> {
    if (performance.now() < batch.leaseValidUntil) return;
    const { leaseMs } = this.#options;
    if (!(await renewLease(this.#context.database, batch, { leaseMs }))) throw new LeaseLostError();
  }

  async #giveBack(batch: Batch, mark: WriteMark, cause: unknown): Promise<void> {
    const { database } = this.#context;
    const reason =
      cause instanceof VecpipeError ? cause.code : this.#options.abort.aborted ? 'interrupted' : 'given up';
    try {
      const lost = await releaseBatch(database, batch, { written: mark.written, reason });
      // What was written for them may have come after the newer points of whoever took them over.
      if (mark.written && lost.length > 0)
        await requeueRows(database, batch.tenant, batch.entity, lost, workOf(batch));
    } catch (error) {
      this.#warn(`a lease could not be given back and will run out by itself: ${errorMessage(error)}`);
    }
  }

  /** A known error concerns its target; anything else concerns the program. */
  #fail(error: unknown, target: Target): void {
    if (!(error instanceof VecpipeError)) this.#bug ??= { error };
    else if (error.family === 'credits') this.#onlyDeletes.set(target, error);
    else if (!this.#broken.has(target)) this.#broken.set(target, error);
  }

  /** Credits may come back from other runs while a batch of another target takes its time. */
  async #oneDoneOrCreditsBack(): Promise<void> {
    if (this.#busyUntil.size === 0) return this.#oneDone();
    await Promise.race([this.#oneDone(), pause(POLL_MS, this.#options.stop)]);
  }

  async #oneDone(): Promise<void> {
    await Promise.race([...this.#inFlight].map((work) => work.done));
  }

  /** @returns true when there may be something to claim again */
  async #waitForOthers(targets: readonly Target[]): Promise<boolean> {
    const { limit, stop, waitsForOthers = true } = this.#options;
    if (limit !== null && this.#claimed >= limit) return false;
    const open = targets.filter((target) => !this.#broken.has(target));
    let leased = 0;
    let leaseEndsInMs = 0;
    for (const target of open) {
      if (await this.#isReplaced(target)) continue;
      const backlog = await readBacklog(this.#context.database, target.tenant, target.entity, workOf(target));
      const others = backlog.leased > 0 ? backlog.leased - (await this.#freeOwnLeases(target)) : 0;
      leased += others;
      const held = await this.#deleteHold.count(target);
      const mayBeDone = backlog.pending - backlog.failed - held - (waitsForOthers ? 0 : others);
      if (mayBeDone > 0 && !this.#active.includes(target)) this.#active.push(target);
      if (target.credits !== null) await this.#sweepReservations(target);
      leaseEndsInMs = Math.max(leaseEndsInMs, backlog.leaseEndsInMs ?? 0);
    }
    if (this.#active.length === 0) return false;
    if (leased > 0 && !this.#waitingSaid && this.#options.waitsSilently !== true) {
      this.#waitingSaid = true;
      this.#context.report({
        type: 'notice',
        message: `Waiting for ${leased} rows that another vecpipe process has leased (a lease of a process that died ends within ${Math.ceil(leaseEndsInMs / 1000)} s)`,
      });
    }
    return pause(POLL_MS, stop);
  }

  /** A reindex may have made another generation live; what is queued is then for that one. */
  async #isReplaced(target: Target): Promise<boolean> {
    if (isBuilding(target)) return false;
    try {
      await refuseReplaced(this.#context.database, target.generation);
      return false;
    } catch (error) {
      this.#fail(error, target);
      return true;
    }
  }

  /** Credits may be held by a process that is gone. */
  async #sweepReservations({ tenant }: Target): Promise<void> {
    if (performance.now() < this.#nextSweepAt) return;
    this.#nextSweepAt = performance.now() + SWEEP_MS;
    await settleReservations(this.#context.database, tenant);
  }

  /** With nothing under way, what this run still holds was claimed by a statement whose answer was lost. */
  #freeOwnLeases(target: Target): Promise<number> {
    const { tenant, entity } = target;
    return releaseRun(this.#context.database, tenant, entity, this.#options.runId, workOf(target));
  }

  /** Where renewing takes longer than a beat, the next one is left out. */
  #beat(): void {
    this.#renewal ??= this.#renewLeases().finally(() => {
      this.#renewal = undefined;
    });
  }

  async #renewLeases(): Promise<void> {
    const { leaseMs } = this.#options;
    for (const { batch, mark, controller } of this.#inFlight) {
      if (mark.recording) continue;
      try {
        const held = await renewLease(this.#context.database, batch, { leaseMs });
        // Rows that were recorded meanwhile are gone from the queue without being lost.
        if (!held && !mark.recording) controller.abort(new LeaseLostError());
      } catch (error) {
        this.#warn(`a lease could not be renewed: ${errorMessage(error)}`);
      }
    }
  }

  async #countTotal(targets: readonly Target[]): Promise<void> {
    for (const target of targets) {
      const { tenant, entity } = target;
      const { pending, failed } = await readBacklog(this.#context.database, tenant, entity, workOf(target));
      this.#total += pending - failed;
    }
    if (this.#options.limit !== null) this.#total = Math.min(this.#total, this.#options.limit);
    this.#context.report({ type: 'progress', done: 0, total: this.#total });
  }

  #warn(message: string): void {
    this.#context.report({ type: 'warning', message });
  }
}
