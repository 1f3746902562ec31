import { ModelThread } from './model-thread.ts';
import type { StartThread } from './model-thread.ts';
import type { BatchRequest, ModelShape } from './worker-protocol.ts';

/** One batch and who waits for it. */
export interface BatchJob {
  request(): BatchRequest;
  done(vectors: Float32Array<ArrayBuffer>): void;
  /** The model could not compute it. */
  failed(error: Error): void;
  /** The thread that computed it has died. */
  crashed(error: Error): void;
}

export interface WorkerPoolOptions {
  workers: number;
  start: StartThread;
  /** The batch that is to be computed next; null when there is none now. */
  nextJob(): BatchJob | null;
  /** Threads die again and again: no further batch will be computed. */
  onBroken(error: Error): void;
  /** How long a thread may take to end by itself. */
  closeMs?: number;
}

/** A batch waits in the thread behind the one it computes, so that it never waits for the main thread. */
const JOBS_A_THREAD = 2;
/** In a row, without a batch between them. */
const MAX_CRASHES = 3;

interface Slot {
  thread: ModelThread;
  isReady: boolean;
  /** Sent and not answered, the one that is being computed first. */
  jobs: BatchJob[];
  crashes: number;
}

/**
 * Threads that pull batches. One that dies is replaced; the batch that it computed fails, the one that waited behind
 * goes to another thread. The opener disposes, after which no job hears anything any more.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #options: WorkerPoolOptions;
  readonly #slots: Slot[] = [];
  /** Taken back from a thread that died. */
  readonly #returned: BatchJob[] = [];
  #opening: { resolve(shape: ModelShape): void; reject(error: Error): void } | null = null;
  #isOver = false;
  #disposal: Promise<void> | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /**
   * Starts the threads; resolves when each of them is ready, and rejects when one of them dies before. Call it once,
   * and dispose also when it rejects.
   */
  open(): Promise<ModelShape> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      for (let started = 0; started < this.#options.workers; started++) this.#slots.push(this.#createSlot());
    });
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#isOver || this.#opening) return;
    // In turns, so that no thread gets a second batch while another has none.
    for (let depth = 1; depth <= JOBS_A_THREAD; depth++) {
      for (const slot of this.#slots) {
        if (!slot.isReady || slot.jobs.length >= depth) continue;
        const job = this.#returned.shift() ?? this.#options.nextJob();
        if (job === null) return;
        slot.jobs.push(job);
        slot.thread.run(job.request());
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#disposal ??= this.#closeAll();
    return this.#disposal;
  }

  async #closeAll(): Promise<void> {
    const closed = await Promise.allSettled(this.#slots.map(({ thread }) => thread.close()));
    this.#slots.length = 0;
    const failed = closed.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  #createSlot(): Slot {
    const slot: Slot = { thread: this.#startThread(() => slot), isReady: false, jobs: [], crashes: 0 };
    return slot;
  }

  #startThread(slotOf: () => Slot): ModelThread {
    return new ModelThread(
      this.#options.start,
      {
        onReady: (shape) => {
          slotOf().isReady = true;
          this.#finishOpening(shape);
          this.wake();
        },
        onAnswer: (answer) => this.#settle(slotOf(), answer),
        onDeath: (error) => this.#bury(slotOf(), error),
      },
      this.#options.closeMs,
    );
  }

  #finishOpening(shape: ModelShape): void {
    if (!this.#opening || this.#slots.some(({ isReady }) => !isReady)) return;
    if (this.#slots.length < this.#options.workers) return;
    const opening = this.#opening;
    this.#opening = null;
    opening.resolve(shape);
  }

  #settle(slot: Slot, answer: Float32Array<ArrayBuffer> | Error): void {
    const job = slot.jobs.shift();
    slot.crashes = 0;
    this.wake();
    if (answer instanceof Error) job?.failed(answer);
    else job?.done(answer);
  }

  #bury(slot: Slot, error: Error): void {
    if (this.#isOver) return;
    if (this.#opening) {
      this.#isOver = true;
      this.#opening.reject(error);
      return;
    }
    const [computed, ...waiting] = slot.jobs.splice(0);
    this.#returned.unshift(...waiting);
    slot.isReady = false;
    slot.crashes += 1;
    computed?.crashed(error);
    if (slot.crashes >= MAX_CRASHES) {
      this.#isOver = true;
      this.#options.onBroken(error);
      return;
    }
    slot.thread = this.#startThread(() => slot);
    this.wake();
  }
}
