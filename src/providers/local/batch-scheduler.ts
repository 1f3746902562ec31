import { waitOrAbort } from '../../lifetime/abort.ts';
import type { CallOptions } from '../../ports/database.ts';
import { runFailed, workerCrashed } from './local-errors.ts';
import type { StartThread } from './model-thread.ts';
import { TextQueue, batchRequest } from './text-queue.ts';
import type { BatchLimits, QueuedText } from './text-queue.ts';
import { WorkerPool } from './worker-pool.ts';
import type { BatchJob } from './worker-pool.ts';
import type { ModelShape } from './worker-protocol.ts';

export interface SchedulerOptions {
  /** Of the provider, for messages. */
  name: string;
  workers: number;
  start: StartThread;
  limits: BatchLimits;
  closeMs?: number;
}

interface Call {
  vectors: Float32Array[];
  missing: number;
  resolve(vectors: Float32Array[]): void;
  reject(error: unknown): void;
}

/** Below it a batch costs more than it shares out. */
const SMALLEST_SHARE = 4;

/**
 * Computes vectors of token ids in worker threads: texts of every call under way are sorted together, put in batches
 * and brought back into order. The opener disposes, which rejects what is under way.
 */
export class BatchScheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #queue = new TextQueue<Call>();
  readonly #calls = new Set<Call>();
  readonly #pool: WorkerPool;
  #dimensions = 0;
  #end: Error | null = null;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { workers, start, closeMs } = options;
    this.#pool = new WorkerPool({
      workers,
      start,
      nextJob: () => this.#nextJob(),
      onBroken: (error) => this.#giveUp(workerCrashed(options.name, error)),
      ...(closeMs !== undefined && { closeMs }),
    });
  }

  /** Loads the model into each thread. Rejects with what a thread died of; dispose also then. */
  async open(): Promise<ModelShape> {
    const shape = await this.#pool.open();
    this.#dimensions = shape.dimensions;
    return shape;
  }

  /**
   * Vectors of texts in input order, each in memory of its own. An abort rejects at once: a batch that is being
   * computed goes on and is dropped, the others are not begun.
   *
   * @param texts token ids, special tokens included
   * @throws {VecpipeError} unavailable: `model_run_failed`, or `provider_worker_crashed` when the thread died with a
   * batch of this call
   */
  async run(texts: readonly Int32Array[], { signal }: CallOptions): Promise<Float32Array[]> {
    if (this.#end) throw this.#end;
    if (texts.length === 0) return [];
    const { call, vectors } = startCall(texts.length);
    this.#calls.add(call);
    this.#queue.add(
      call,
      texts.map((ids, index) => ({ ids, index, call })),
    );
    this.#pool.wake();
    try {
      return await waitOrAbort(vectors, signal);
    } finally {
      this.#queue.remove(call);
      this.#calls.delete(call);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#giveUp(new Error(`the local provider ${this.#options.name} has been disposed`));
    await this.#pool[Symbol.asyncDispose]();
  }

  #giveUp(error: Error): void {
    this.#end ??= error;
    for (const call of this.#calls) call.reject(error);
  }

  #nextJob(): BatchJob | null {
    const { limits, workers, name } = this.#options;
    const share = Math.max(SMALLEST_SHARE, Math.ceil(this.#queue.size / workers));
    const batch = this.#queue.take({ ...limits, texts: Math.min(limits.texts, share) });
    if (batch === null) return null;
    const fail = (error: Error) => {
      for (const call of new Set(batch.map((text) => text.call))) call.reject(error);
    };
    return {
      request: () => batchRequest(batch),
      done: (vectors) => this.#deliver(batch, vectors),
      failed: (error) => fail(runFailed(name, error)),
      crashed: (error) => fail(workerCrashed(name, error)),
    };
  }

  #deliver(batch: readonly QueuedText<Call>[], vectors: Float32Array): void {
    batch.forEach(({ call, index }, row) => {
      call.vectors[index] = vectors.slice(row * this.#dimensions, (row + 1) * this.#dimensions);
      call.missing -= 1;
      if (call.missing === 0) call.resolve(call.vectors);
    });
  }
}

function startCall(texts: number): { call: Call; vectors: Promise<Float32Array[]> } {
  const call: Call = {
    vectors: Array.from<Float32Array>({ length: texts }),
    missing: texts,
    resolve: () => {},
    reject: () => {},
  };
  const vectors = new Promise<Float32Array[]>((resolve, reject) => {
    call.resolve = resolve;
    call.reject = reject;
  });
  return { call, vectors };
}
