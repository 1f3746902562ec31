const INSIDE = 0;
const STOPPED = 1;
const CELLS = 2;

/**
 * Whether a thread is inside native code, shared between it and the thread that started it. Ending a thread there, by
 * `terminate()` or with the whole process, aborts the process: the runtime of the models cannot stand that its thread
 * has gone when a computation returns.
 */
export class NativeGuard {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#cells = new Int32Array(memory);
  }

  /** For the thread itself: runs native code, or resolves to null when it is not to be entered any more. */
  async run<Result>(work: () => Promise<Result>): Promise<Result | null> {
    return this.finish(async () => (Atomics.load(this.#cells, STOPPED) === 1 ? null : work()));
  }

  /** For the thread itself: the same for what has to be done also then. */
  async finish<Result>(work: () => Promise<Result>): Promise<Result> {
    // Said before anything is asked: the other side asks after it has said its own, so one of the two sees the other.
    Atomics.store(this.#cells, INSIDE, 1);
    try {
      return await work();
    } finally {
      Atomics.store(this.#cells, INSIDE, 0);
      Atomics.notify(this.#cells, INSIDE);
    }
  }

  /** Native code is not entered any more; what is inside goes on. */
  stop(): void {
    Atomics.store(this.#cells, STOPPED, 1);
  }

  get isInside(): boolean {
    return Atomics.load(this.#cells, INSIDE) === 1;
  }

  /** Blocks this thread until the other one is outside, but not longer than that. */
  waitOutside(timeLimitMs: number): void {
    Atomics.wait(this.#cells, INSIDE, 1, timeLimitMs);
  }
}

/** A batch takes a fraction of it, but for the largest models. */
const EXIT_MS = 5000;

const guards = new Set<NativeGuard>();

/** From now on an exit of the process waits until the thread is outside; calling what is returned ends that. */
export function guardExit(guard: NativeGuard): () => void {
  // One listener for all: more than ten would be taken for a leak.
  if (guards.size === 0) process.on('exit', leaveAll);
  guards.add(guard);
  return () => {
    guards.delete(guard);
    if (guards.size === 0) process.off('exit', leaveAll);
  };
}

function leaveAll(): void {
  for (const guard of guards) guard.stop();
  const endsAt = performance.now() + EXIT_MS;
  for (const guard of guards) guard.waitOutside(Math.max(0, endsAt - performance.now()));
}
