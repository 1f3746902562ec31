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
  readonly #graceMs: number;
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

  request(reason: StopReason): void {
    if (this.#reason) return;
    this.#reason = reason;
    const error = new StopError(reason);
    this.#timer = setTimeout(() => this.#abort.abort(error), this.#graceMs).unref();
    this.#stop.abort(error);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
