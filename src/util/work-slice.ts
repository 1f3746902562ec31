import { setImmediate } from 'node:timers/promises';

/** Long enough that pausing costs next to nothing, short enough that timers and signals are not late. */
const SLICE_MS = 10;

/**
 * Tells synchronous work when to let the event loop turn. Only time at work counts, over any number of calls:
 * many short calls in a row would otherwise keep timers and signals waiting as long as one long call.
 */
export class WorkSlice {
  #workedMs = 0;
  #since = 0;

  /** Work goes on. */
  begin(): void {
    this.#since = performance.now();
  }

  /** Work stops for now. */
  end(): void {
    this.#workedMs += performance.now() - this.#since;
  }

  isOver(): boolean {
    return this.#workedMs + performance.now() - this.#since >= SLICE_MS;
  }

  /** Lets the event loop turn once and starts the next slice. @throws the signal's reason when it is aborted */
  async rest(signal: AbortSignal | undefined): Promise<void> {
    await setImmediate();
    signal?.throwIfAborted();
    this.#workedMs = 0;
    this.begin();
  }
}
