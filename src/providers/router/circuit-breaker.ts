import { VecpipeError } from '../../errors/vecpipe-error.ts';

export interface CircuitBreakerOptions {
  /** Calls that fail one after the other before the circuit opens. */
  failures?: number;
  /** How long it stays open before one call may try again. */
  coolDownMs?: number;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

const DEFAULT_FAILURES = 3;
const DEFAULT_COOL_DOWN_MS = 30_000;

/**
 * Keeps a provider that is down from being asked again and again, each time with all its retries. Closed, it lets
 * every call through; after some failures in a row it opens and refuses; after a while it lets one call through,
 * whose result decides. Only errors of the family `unavailable` count: an abort says nothing about the provider.
 *
 * The pattern is described by M. Nygard, Release It!, and by M. Fowler, CircuitBreaker (2014).
 */
export class CircuitBreaker {
  readonly #limit: number;
  readonly #coolDownMs: number;
  readonly #now: () => number;
  #failures = 0;
  #openUntil = 0;
  #isTrying = false;
  #lastError: VecpipeError | null = null;

  constructor({ failures, coolDownMs, now }: CircuitBreakerOptions = {}) {
    this.#limit = failures ?? DEFAULT_FAILURES;
    this.#coolDownMs = coolDownMs ?? DEFAULT_COOL_DOWN_MS;
    this.#now = now ?? (() => performance.now());
  }

  /** The error that opened the circuit, while it is open; null when the next call may go through. */
  get refusal(): VecpipeError | null {
    if (this.#failures < this.#limit) return null;
    return this.#isTrying || this.#now() < this.#openUntil ? this.#lastError : null;
  }

  /**
   * Makes a call that `refusal` has let through.
   * @throws whatever the call throws
   */
  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    const isTrial = this.#failures >= this.#limit;
    if (isTrial) this.#isTrying = true;
    try {
      const result = await call();
      this.#failures = 0;
      this.#lastError = null;
      return result;
    } catch (error) {
      if (error instanceof VecpipeError && error.family === 'unavailable') {
        this.#failures += 1;
        this.#lastError = error;
        if (this.#failures >= this.#limit) this.#openUntil = this.#now() + this.#coolDownMs;
      }
      throw error;
    } finally {
      if (isTrial) this.#isTrying = false;
    }
  }
}
