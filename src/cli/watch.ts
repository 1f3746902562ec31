import { setMaxListeners } from 'node:events';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { openCallWindow } from '../lifetime/call-window.ts';
import type { Failure } from '../pipeline/counts.ts';
import type { Target } from '../pipeline/target.ts';
import { VectorizeFailure } from '../pipeline/vectorize.ts';
import { watchQueue } from '../pipeline/watch-queue.ts';
import type { Wake } from '../pipeline/watch-queue.ts';
import type { Report } from '../ports/run-events.ts';
import { readClaimable } from '../queue/read-claimable.ts';
import type { HealthFile } from './health-file.ts';
import { isOfTarget, isSamePlace, judgePass } from './judge-pass.ts';
import type { OpenedTargets } from './open-targets.ts';
import { PassTotals } from './pass-totals.ts';
import type { CommandResult } from './run-command.ts';
import type { Session } from './session.ts';
import { vectorizeSummary } from './summary.ts';
import { Troubles } from './troubles.ts';

/** What the watched passes are made of. */
export interface Watched {
  session: Pick<Session, 'database' | 'tenants' | 'entities'>;
  queuedOnly: boolean;
  retryFailed: boolean;
  stop: AbortSignal;
  report: Report;
  health: HealthFile | null;
  /** Called before every sweep. */
  tidy: () => Promise<unknown>;
  /** Opens the targets of these tenants and entities. */
  open: (selected: Pick<Session, 'tenants' | 'entities'>) => Promise<OpenedTargets>;
  /** Makes one pass, as `vectorize` does. */
  vectorize: (targets: readonly Target[], options: PassOptions) => Promise<Failure[]>;
}

export interface PassOptions {
  queuedOnly: boolean;
  retryFailed: boolean;
  /** Stops claiming, when the run is to end or the pass has lasted long enough. */
  stop: AbortSignal;
}

export interface WatchTimes {
  sweepMs?: number;
  passMs?: number;
}

/** So often the tables are compared, and the queue is looked at, whatever was notified. */
const SWEEP_MS = 30_000;
/** Where work never ends, the tables must be compared nevertheless, and targets be opened anew. */
const PASS_MS = 5 * 60_000;

/**
 * Vectorizes until it is stopped. What fails for one target is reported when it changes, and tried again; a database
 * or store that is away ends it.
 */
export class Watch {
  readonly #watched: Watched;
  readonly #times: Required<WatchTimes>;
  readonly #totals = new PassTotals();
  readonly #troubles: Troubles;
  #isFirst = true;
  #hasWorked = false;
  #isWaitingSaid = false;

  constructor(watched: Watched, { sweepMs = SWEEP_MS, passMs = PASS_MS }: WatchTimes = {}) {
    this.#watched = watched;
    this.#times = { sweepMs, passMs };
    this.#troubles = new Troubles(watched.report);
  }

  /** What was done so far. */
  get result(): CommandResult {
    const entities = this.#totals.reports;
    const failures = [...this.#troubles.list, ...this.#totals.failures];
    return { entities, failures, summary: vectorizeSummary(entities, false) };
  }

  /**
   * @throws {VecpipeError} `unavailable` when the database or the store is; `usage` when the first pass could work on
   *   nothing because of it
   */
  async run(): Promise<CommandResult> {
    const { session, stop, report } = this.#watched;
    await watchQueue(session.database, {
      sweepMs: this.#times.sweepMs,
      stop,
      report,
      pass: (wake) => this.#pass(wake),
      onIdle: () => this.#idle(),
    });
    return this.result;
  }

  async #pass(wake: Wake): Promise<boolean> {
    const { health, queuedOnly, retryFailed, stop, tidy, vectorize } = this.#watched;
    const isSweep = wake === 'sweep';
    if (isSweep) await tidy();
    const opened = isSweep ? await this.#watched.open(this.#watched.session) : await this.#openClaimable();
    if (opened === null) return true;
    this.#hasWorked = true;
    health?.set({ state: 'working' });
    using window = openCallWindow([stop], this.#times.passMs);
    setMaxListeners(0, window.signal);
    // Else nobody could tell whether what a comparison has found is over.
    const isCompared = isSweep || opened.targets.some((target) => this.#troubles.has(target));
    const options = {
      queuedOnly: queuedOnly || !isCompared,
      retryFailed: retryFailed && this.#isFirst,
      stop: window.signal,
    };
    let failures: readonly Failure[] = [];
    try {
      const ended = await attempt(() => vectorize(opened.targets, options));
      failures = ended.failures;
      // What is half done because of a stop says nothing.
      if (!stop.aborted) this.#judge(opened, failures, ended.error);
    } finally {
      this.#add(opened.targets, failures, !options.queuedOnly && !stop.aborted);
    }
    this.#isFirst = false;
    health?.set({ lastPassAt: new Date().toISOString(), lastError: this.#troubles.lastError });
    return !window.signal.aborted;
  }

  /** @returns null when nothing is to be done */
  async #openClaimable(): Promise<OpenedTargets | null> {
    const { session, stop, open } = this.#watched;
    const names = session.entities.map(({ name }) => name);
    const claimable = await readClaimable(session.database, session.tenants, names, { signal: stop });
    // What failed waits for the next sweep: a service that is down is not asked again at every notification.
    const parts = claimable.filter((part) => !this.#troubles.isStuck(part));
    const whole: OpenedTargets = { targets: [], unopened: [] };
    for (const tenant of new Set(parts.map((part) => part.tenant))) {
      const own = new Set(parts.filter((part) => part.tenant === tenant).map(({ entity }) => entity));
      const entities = session.entities.filter(({ name }) => own.has(name));
      const { targets, unopened } = await open({ tenants: [tenant], entities });
      whole.targets.push(...targets);
      whole.unopened.push(...unopened);
    }
    return parts.length === 0 ? null : whole;
  }

  /** @throws the errors that the watch does not go on with */
  #judge(opened: OpenedTargets, failures: readonly Failure[], error: VecpipeError | null): void {
    const { found, hopeless } = judgePass(opened, failures, error);
    if (this.#isFirst && hopeless) throw hopeless;
    for (const [target, own] of found) this.#troubles.update(target, own);
  }

  #add(targets: readonly Target[], failures: readonly Failure[], isCompared: boolean): void {
    for (const target of targets) {
      const rows = failures.filter((failure) => !isOfTarget(failure) && isSamePlace(failure, target));
      const done = this.#totals.add(target, rows, isCompared);
      if (done === null) continue;
      for (const message of vectorizeSummary([done], false))
        this.#watched.report({ type: 'notice', message });
    }
  }

  #idle(): void {
    const { report, health } = this.#watched;
    if (!this.#hasWorked) return;
    this.#hasWorked = false;
    // Once for the log; on a terminal it is what the spinner says.
    report({ type: this.#isWaitingSaid ? 'step' : 'notice', message: 'Waiting for work' });
    this.#isWaitingSaid = true;
    health?.set({ state: this.#troubles.lastError === null ? 'idle' : 'waiting' });
  }
}

/** @throws what concerns no target alone */
async function attempt(
  work: () => Promise<Failure[]>,
): Promise<{ failures: readonly Failure[]; error: VecpipeError | null }> {
  try {
    return { failures: await work(), error: null };
  } catch (thrown) {
    if (!(thrown instanceof VectorizeFailure) || !(thrown.cause instanceof VecpipeError)) throw thrown;
    return { failures: thrown.failures, error: thrown.cause };
  }
}
