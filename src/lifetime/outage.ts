import { setMaxListeners } from 'node:events';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { shownDuration } from '../util/shown-duration.ts';
import { pause, waitOrAbort } from './abort.ts';
import { openLimit } from './limit.ts';

/** How a run waits, whatever the service. */
export interface WaitOptions {
  /** How long after its first failure a service is waited for; 0: not at all. */
  maxOutageMs: number;
  /** Ends all waiting: the run was asked to stop. */
  giveUp: AbortSignal;
  /** Told once when a service goes away for longer than a moment, and once when it is back. Must not throw. */
  notify: (message: string, isOver: boolean) => void;
}

export interface OutageOptions extends WaitOptions {
  /** What may go away, as a sentence begins with it: `Postgres at db.example:5432/app`. */
  service: string;
  /** Whether the service has answered in this run. If not, failures are thrown at once until it has. */
  hasAnswered: boolean;
  /** Whether an error says that the service is away; `isKnown` when it is away already, or was a moment ago. */
  isOutage: (error: VecpipeError, isKnown: boolean) => boolean;
  /** Whether a stop leaves an attempt under way its own time: it may have been paid for. */
  isCostly?: boolean;
  /** Whether a call's first failure may only concern its own connection, so that the next one is tried at once. */
  isOneConnection?: (error: VecpipeError) => boolean;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** An outage that is over by then is nothing that anybody has to know. */
const SILENT_MS = 500;
/** What an attempt may still take once the run was asked to stop. */
const LAST_ATTEMPT_MS = 500;
/** After a failover the old primary may answer again for a while before it is known to be the wrong one. */
const SETTLING_MS = 30_000;

/**
 * One service that is away for a while, seen by all who call it. A call that fails because of that is made again,
 * with pauses that grow from 0.1 to 5 s, until the service answers, `maxOutageMs` have passed since it first failed,
 * or the run is asked to stop; as soon as one call is answered, the others try again at once.
 *
 * What a failed call has done is not known, so every call must be one that can be made twice.
 * The opener disposes, which ends all waiting.
 */
export class Outage implements Disposable {
  readonly #options: OutageOptions;
  readonly #closing = new AbortController();
  #hasAnswered: boolean;
  /** Readings of `performance.now()`. */
  #awaySince: number | null = null;
  #backAt = -Infinity;
  #lastFailure: { error: VecpipeError; at: number } | null = null;
  /** Waiting ends with it; a new one for each outage. */
  #back = waitingSignal();
  #isTold = false;
  #failedSinceGivenUp = false;
  #announcement: NodeJS.Timeout | undefined;

  constructor(options: OutageOptions) {
    this.#options = options;
    this.#hasAnswered = options.hasAnswered;
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * Makes a call, again and again while the service is away.
   * @param call gets the signal to pass on; it must be safe to repeat, also when it had succeeded unseen
   * @throws what the call throws when that is no outage, or when nothing was ever answered; after the deadline the
   *   last error with how long it was tried; once the run is asked to stop the last error; the signal's reason when
   *   that aborts
   */
  async run<Result>(
    call: (options: { signal?: AbortSignal }) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    if (this.#options.maxOutageMs === 0) return call(signal ? { signal } : {});
    this.#refuseWhenOver();
    let failedSince: number | null = null;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await this.#attempt(call, signal);
        this.#answered();
        return result;
      } catch (error) {
        if (signal?.aborted || !this.#isAway(error)) throw error;
        const now = performance.now();
        failedSince ??= now;
        const awaySince = this.#failed(error, now);
        if (this.#options.giveUp.aborted || this.#closing.signal.aborted) throw error;
        // Its own time counts as well: others may be answered all the while.
        const elapsedMs = now - Math.min(failedSince, awaySince);
        if (elapsedMs >= this.#options.maxOutageMs) throw outOfTime(error, elapsedMs);
        if (attempt === 1 && this.#options.isOneConnection?.(error)) continue;
        await this.#pause(Math.min(backOff(attempt), this.#options.maxOutageMs - elapsedMs), signal);
        signal?.throwIfAborted();
        if (this.#options.giveUp.aborted || this.#closing.signal.aborted) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#announcement);
    this.#closing.abort(new Error(`${this.#options.service} is not waited for any more`));
  }

  /** Where waiting has ended and the service was away just now, a call would only take time. */
  #refuseWhenOver(): void {
    const { giveUp, maxOutageMs } = this.#options;
    if (this.#awaySince === null || this.#lastFailure === null) return;
    const { error, at } = this.#lastFailure;
    const now = performance.now();
    if (now - at > LONGEST_PAUSE_MS) return;
    const elapsedMs = now - this.#awaySince;
    if (elapsedMs >= maxOutageMs) throw outOfTime(error, elapsedMs);
    if (giveUp.aborted && this.#failedSinceGivenUp) throw error;
  }

  async #attempt<Result>(
    call: (options: { signal?: AbortSignal }) => Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    if (this.#awaySince === null || this.#options.isCostly === true) return call(signal ? { signal } : {});
    // A service that is known to be away may take its time to fail; a stop does not wait for that.
    const { giveUp } = this.#options;
    const late = { signal: giveUp, afterMs: LAST_ATTEMPT_MS };
    using limit = openLimit([signal, this.#closing.signal], late);
    try {
      return await waitOrAbort(call({ signal: limit.signal }), limit.signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw limit.signal.aborted ? (this.#lastFailure?.error ?? error) : error;
    }
  }

  #isAway(error: unknown): error is VecpipeError {
    if (!this.#hasAnswered || !(error instanceof VecpipeError)) return false;
    const isKnown = this.#awaySince !== null || performance.now() - this.#backAt < SETTLING_MS;
    return this.#options.isOutage(error, isKnown);
  }

  /** @returns since when the service is away */
  #failed(error: VecpipeError, now: number): number {
    this.#lastFailure = { error, at: now };
    if (this.#options.giveUp.aborted) this.#failedSinceGivenUp = true;
    if (this.#awaySince !== null) return this.#awaySince;
    this.#awaySince = now;
    this.#back = waitingSignal();
    this.#announcement = setTimeout(() => this.#announce(error), SILENT_MS).unref();
    return now;
  }

  #answered(): void {
    this.#hasAnswered = true;
    if (this.#awaySince === null) return;
    const { service, notify } = this.#options;
    clearTimeout(this.#announcement);
    this.#backAt = performance.now();
    if (this.#isTold)
      notify(`${service} is back after ${shownDuration(this.#backAt - this.#awaySince)}`, true);
    this.#isTold = false;
    this.#awaySince = null;
    this.#lastFailure = null;
    this.#back.abort();
  }

  /** With the first error: what follows may only say that it is still away. */
  #announce({ message }: VecpipeError): void {
    const { maxOutageMs, giveUp, notify } = this.#options;
    if (giveUp.aborted || maxOutageMs <= SILENT_MS) return;
    this.#isTold = true;
    notify(
      `${message.charAt(0).toUpperCase()}${message.slice(1)}; trying again for up to ${shownDuration(maxOutageMs)}`,
      false,
    );
  }

  /** Ends early when the service is back, and with every reason not to wait any longer. */
  async #pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    using limit = openLimit([signal, this.#options.giveUp, this.#closing.signal, this.#back.signal]);
    await pause(delayMs, limit.signal);
  }
}

/** Of many callers, all listen. */
function waitingSignal(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** A random half is left out, so that many do not come back together. */
function backOff(attempt: number): number {
  const full = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return full * (0.5 + Math.random() / 2);
}

function outOfTime({ family, message, code, hint }: VecpipeError, elapsedMs: number): VecpipeError {
  return new VecpipeError(
    family,
    `${message}; tried again for ${shownDuration(elapsedMs)} (--max-outage)`,
    hint === undefined ? { code } : { code, hint },
  );
}
