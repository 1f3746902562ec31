import { setMaxListeners } from 'node:events';

/** Why a run was asked to stop, and the exit code that says so. */
export interface StopReason {
  /** `SIGTERM`, or `closed output`. */
  name: string;
  exitCode: number;
}

/** What aborted work rejects with. */
export class StopError extends Error {
  override readonly name = 'StopError';
  readonly reason: StopReason;
  constructor(reason: StopReason) {
    super(`stopped by ${reason.name}`);
    this.reason = reason;
  }
}

/**
 * A wish to stop, in two steps: `stop` asks to take up nothing new, and `graceMs` later `abort` gives up what is
 * still under way. The first reason wins. The opener disposes, which ends the timer.
 */
export class StopRequest implements Disposable {
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  #graceMs: number;
  #requestedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #reason: StopReason | undefined;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
    // Every call under way listens; Node would take more than ten for a leak and warn on stderr.
    setMaxListeners(0, this.#stop.signal, this.#abort.signal);
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get abort(): AbortSignal {
    return this.#abort.signal;
  }

  get reason(): StopReason | undefined {
    return this.#reason;
  }

  get graceMs(): number {
    return this.#graceMs;
  }

  /** Also for a stop that has been requested: what is left of the time is reckoned anew. */
  set graceMs(graceMs: number) {
    this.#graceMs = graceMs;
    if (this.#reason && !this.#abort.signal.aborted) this.#startGrace();
  }

  request(reason: StopReason): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#requestedAt = performance.now();
    this.#startGrace();
    this.#stop.abort(new StopError(reason));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #startGrace(): void {
    clearTimeout(this.#timer);
    const leftMs = Math.max(0, this.#requestedAt + this.#graceMs - performance.now());
    this.#timer = setTimeout(() => this.#abort.abort(this.#stop.signal.reason), leftMs).unref();
  }
}
