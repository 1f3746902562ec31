import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '../util/error-message.ts';

/** Told about a cleanup that failed or ran out of time. Must not throw. */
export type CleanupWarning = (message: string) => void;

interface Cleanup {
  name: string;
  run: () => PromiseLike<void> | void;
}

const DEFAULT_TIME_LIMIT_MS = 10_000;

/**
 * Owns what a run acquires and releases it last-in first-out, once, when the `await using` block that holds
 * it ends. A cleanup that throws or exceeds the time limit is reported as a warning; the remaining ones still
 * run, and disposal itself never throws, so it cannot hide the error that ended the block.
 *
 * Node 20 has no AsyncDisposableStack; this is the part of it that vecpipe needs, plus names and time limits.
 */
export class Scope implements AsyncDisposable {
  readonly #cleanups: Cleanup[] = [];
  readonly #warn: CleanupWarning;
  readonly #timeLimitMs: number;
  #disposal: Promise<void> | undefined;

  constructor(warn: CleanupWarning, timeLimitMs: number = DEFAULT_TIME_LIMIT_MS) {
    this.#warn = warn;
    this.#timeLimitMs = timeLimitMs;
  }

  /** Takes ownership of a ready resource and returns it. Throws when the scope has already ended. */
  use<Resource extends AsyncDisposable | Disposable>(name: string, resource: Resource): Resource {
    this.defer(name, () =>
      Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose](),
    );
    return resource;
  }

  /** Registers a cleanup to run when the scope ends. Throws when it has already ended. */
  defer(name: string, run: Cleanup['run']): void {
    if (this.#disposal) throw new Error(`the scope has ended; ${name} cannot be added to it`);
    this.#cleanups.push({ name, run });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#releaseAll();
    return this.#disposal;
  }

  async #releaseAll(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
      await this.#release(cleanup);
    }
  }

  async #release({ name, run }: Cleanup): Promise<void> {
    const timer = new AbortController();
    try {
      const timedOut = delay(this.#timeLimitMs, true, { signal: timer.signal, ref: true }).catch(() => false);
      const finished = Promise.resolve()
        .then(run)
        .then(() => false);
      if (await Promise.race([finished, timedOut])) {
        this.#warn(`closing ${name} took longer than ${this.#timeLimitMs} ms and was left behind`);
      }
    } catch (error) {
      this.#warn(`closing ${name} failed: ${errorMessage(error)}`);
    } finally {
      timer.abort();
    }
  }
}
