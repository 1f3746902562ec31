import { setMaxListeners } from 'node:events';
import { VecpipeError, unavailableError } from '../errors/vecpipe-error.ts';
import { pause } from '../lifetime/abort.ts';
import { settleReservations } from '../credits/settle-reservations.ts';
import { drainQueue } from '../pipeline/drain-queue.ts';
import type { DrainOptions, DrainTargets } from '../pipeline/drain-queue.ts';
import type { BatchContext } from '../pipeline/process-batch.ts';
import type { Target } from '../pipeline/target.ts';
import { readBacklog } from '../queue/backlog.ts';
import { releaseRun } from '../queue/release-run.ts';
import { addIncreases } from './done-reporter.ts';
import { fromSentError } from './sent-error.ts';
import type { TargetPlace, WorkerMessage } from './worker-messages.ts';
import { WorkerProcess } from './worker-process.ts';
import type { StartWorker, WorkerEnd } from './worker-process.ts';

export interface WorkerOptions {
  /** Processes at the most; fewer where there are fewer batches. */
  workers: number;
  start: StartWorker;
  /** Arguments of one worker, the command's name included. */
  args: readonly string[];
  /** What a worker ends with when it was asked to stop. */
  stoppedExitCodes: readonly number[];
}

/** Workers that die one after another without having done anything are not replaced for ever. */
const MAX_FRUITLESS_DEATHS = 3;
/** A worker gives its leases back within its grace; after that and so long again it is killed. */
const KILL_AFTER_MS = 5_000;

/**
 * Works the targets' queues off with worker processes, which share it by their leases like any other processes. A
 * worker that dies is replaced, and what it held is free at once. What the workers do adds up in the targets.
 */
export function drainWithWorkers({ workers, ...options }: WorkerOptions): DrainTargets {
  return async (context, targets, drainOptions) => {
    let rows = 0;
    for (const { tenant, entity } of targets) {
      const { pending, failed } = await readBacklog(context.database, tenant, entity);
      rows += pending - failed;
    }
    const useful = Math.min(workers, Math.ceil(rows / drainOptions.batchSize));
    if (useful <= 1) return drainQueue(context, targets, drainOptions);
    const crew = new Crew(context, targets, drainOptions, options, rows);
    return crew.run(useful);
  };
}

class Crew {
  readonly #context: BatchContext;
  readonly #targets: readonly Target[];
  readonly #drainOptions: DrainOptions;
  readonly #options: Omit<WorkerOptions, 'workers'>;
  readonly #rows: number;
  readonly #broken = new Map<Target, VecpipeError>();
  #finished = 0;
  #fruitlessDeaths = 0;
  #failed: { error: unknown } | undefined;
  /** Ends all workers when one of them has failed for good. */
  readonly #halt = waitingForAll();

  constructor(
    context: BatchContext,
    targets: readonly Target[],
    drainOptions: DrainOptions,
    options: Omit<WorkerOptions, 'workers'>,
    rows: number,
  ) {
    this.#context = context;
    this.#targets = targets;
    this.#drainOptions = drainOptions;
    this.#options = options;
    this.#rows = rows;
  }

  async run(workers: number): Promise<ReadonlyMap<Target, VecpipeError>> {
    this.#context.report({ type: 'progress', done: 0, total: this.#rows });
    await Promise.all(Array.from({ length: workers }, () => this.#keepOneAtWork()));
    if (this.#failed) throw this.#failed.error;
    return this.#broken;
  }

  /** Never rejects: the others would be left behind. */
  async #keepOneAtWork(): Promise<void> {
    try {
      await this.#workUntilDone();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failed ??= { error };
    this.#halt.abort();
  }

  async #workUntilDone(): Promise<void> {
    const { stop } = this.#drainOptions;
    while (!stop.aborted && !this.#failed) {
      const finishedBefore = this.#finished;
      let failure: Error | null = null;
      await using worker = new WorkerProcess(this.#options.start(this.#options.args), (message) => {
        if (message.type === 'started') worker.send({ type: 'work', places: this.#openPlaces });
        else if (message.type === 'failed') failure = fromSentError(message.error);
        else this.#hear(message);
      });
      const end = await this.#waitFor(worker);
      if (end.exitCode === 0) return;
      await this.#clearUpAfter(worker);
      if (this.#failed || this.#hasStopped(end)) return;
      this.#fruitlessDeaths = this.#finished > finishedBefore ? 0 : this.#fruitlessDeaths + 1;
      // A service may have been away when it began, which this process has waited for by now.
      if (failure !== null && !isUnavailable(failure)) this.#fail(failure);
      else if (this.#fruitlessDeaths >= MAX_FRUITLESS_DEATHS) this.#fail(failure ?? crashError(end));
      else if (failure !== null) continue;
      else if (!stop.aborted) {
        const message = `a worker ${howItEnded(end)}; another takes its place`;
        this.#context.report({ type: 'warning', message });
      }
    }
  }

  /** One that somebody else has stopped leaves its work to another. */
  #hasStopped({ exitCode }: WorkerEnd): boolean {
    const isStopped = exitCode !== null && this.#options.stoppedExitCodes.includes(exitCode);
    return isStopped && (this.#drainOptions.stop.aborted || this.#halt.signal.aborted);
  }

  get #openPlaces(): TargetPlace[] {
    return this.#targets
      .filter((target) => !this.#broken.has(target))
      .map(({ tenant, entity }) => ({ tenant, entity }));
  }

  async #waitFor(worker: WorkerProcess): Promise<WorkerEnd> {
    const { stop, abort } = this.#drainOptions;
    const over = new AbortController();
    const onStop = () => worker.send({ type: 'stop' });
    const onAbort = () =>
      void pause(KILL_AFTER_MS, over.signal).then((isLate) => {
        if (isLate) worker.kill();
      });
    stop.addEventListener('abort', onStop);
    this.#halt.signal.addEventListener('abort', onStop);
    abort.addEventListener('abort', onAbort);
    if (stop.aborted || this.#halt.signal.aborted) onStop();
    if (abort.aborted) onAbort();
    try {
      return await worker.ended;
    } finally {
      over.abort();
      stop.removeEventListener('abort', onStop);
      this.#halt.signal.removeEventListener('abort', onStop);
      abort.removeEventListener('abort', onAbort);
    }
  }

  #hear(message: Exclude<WorkerMessage, { type: 'started' | 'failed' }>): void {
    switch (message.type) {
      case 'event':
        this.#context.report(message.event);
        return;
      case 'done': {
        const target = this.#find(message.place);
        if (!target) return;
        addIncreases(target.counts, message.counts);
        addIncreases(target.tally, message.tally);
        this.#finished += message.tally.finished ?? 0;
        const total = Math.max(this.#rows, this.#finished);
        this.#context.report({ type: 'progress', done: this.#finished, total });
        return;
      }
      case 'broken': {
        const target = this.#find(message.place);
        const error = fromSentError(message.error);
        if (target && error instanceof VecpipeError && !this.#broken.has(target)) {
          this.#broken.set(target, error);
        }
        return;
      }
      default:
        return message satisfies never;
    }
  }

  #find({ tenant, entity }: TargetPlace): Target | undefined {
    return this.#targets.find((target) => target.tenant === tenant && target.entity === entity);
  }

  /** So that nobody has to wait until its leases run out. */
  async #clearUpAfter({ runId }: WorkerProcess): Promise<void> {
    if (runId === null) return;
    const { database } = this.#context;
    for (const { tenant, entity } of this.#targets) await releaseRun(database, tenant, entity, runId);
    for (const tenant of new Set(this.#targets.map((target) => target.tenant))) {
      await settleReservations(database, tenant, { runIds: [runId] });
    }
  }
}

/** Every worker listens. */
function waitingForAll(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

function isUnavailable(error: Error): boolean {
  return error instanceof VecpipeError && error.family === 'unavailable';
}

function howItEnded({ exitCode, signal, startError }: WorkerEnd): string {
  if (startError) return `could not be started (${startError.message})`;
  return signal === null ? `ended with code ${exitCode}` : `was ended by ${signal}`;
}

function crashError(end: WorkerEnd): VecpipeError {
  const words = end.lastWords === '' ? '' : `: ${end.lastWords}`;
  return unavailableError(
    'worker_crashed',
    `workers end one after another before they have done anything; the last one ${howItEnded(end)}${words}`,
    'run the same command without --workers to see why',
  );
}
