import type { Quota } from './limit-headers.ts';

/** What a limit without a period counts for, and how long a request of our own may still count. */
const USUAL_PERIOD_MS = 60_000;
/** Stays clear of the last request of a window, so that clocks need not agree. */
const CAUTION = 0.97;
const FREE_SHARE = 0.5;
const MOST_UNANNOUNCED = 64;

/**
 * Spends a limit that the endpoint's headers announce, of requests or of tokens. The headers do not say whether it is
 * a fixed window, a sliding one or a bucket that fills, and the rule holds for all of them: the first half is spent
 * freely; the rest is spread over the time until the reset, which uses a window up when it ends and holds a bucket
 * where it fills as fast as it is spent, but never slower than the limit a minute; and what does not remain is not
 * spent. It comes back with the reset, and one request may find out whether it has come back before: a minute after
 * our own oldest one, which then has left a sliding window.
 */
export class AnnouncedQuota {
  readonly #longestWaitMs: number;
  #limit: number | null = null;
  #remaining: number | null = null;
  #resetAtMs = 0;
  #underWay = 0;
  /** When what was sent leaves the window of a minute, oldest first. */
  readonly #leavesAtMs: number[] = [];
  /** One has left since the last answer. */
  #hasLeft = false;
  #hasScouted = false;

  /** @param longestWaitMs a reset that is further away is taken for the end of a filling bucket */
  constructor(longestWaitMs: number) {
    this.#longestWaitMs = longestWaitMs;
  }

  /** When `cost` may be spent as far as what remains goes; not before `nowMs`. */
  readyAt(cost: number, nowMs: number): number {
    if (this.#remaining === null || this.#remaining >= cost) return nowMs;
    // More than the whole limit in one request: nothing is gained by waiting any longer than for all of it.
    if (this.#limit !== null && this.#remaining >= this.#limit) return nowMs;
    if (this.#hasScouted) return Math.max(nowMs, this.#resetAtMs);
    this.#forget(nowMs);
    if (this.#hasLeft) return nowMs;
    return Math.max(nowMs, Math.min(this.#resetAtMs, this.#leavesAtMs[0] ?? Number.POSITIVE_INFINITY));
  }

  /** Cost a millisecond at the most; null where there is no need to hold back. */
  perMs(nowMs: number): number | null {
    if (this.#limit === null || this.#remaining === null) return null;
    const usual = (CAUTION * this.#limit) / USUAL_PERIOD_MS;
    const leftMs = this.#resetAtMs - nowMs;
    // Past the reset one request finds out what there is now; the others follow at the safe rate until it is back.
    if (leftMs <= 0) return this.#underWay === 0 ? null : usual;
    return this.#remaining >= FREE_SHARE * this.#limit ? null : Math.max(usual, this.#remaining / leftMs);
  }

  /** When the answers may change without a further answer; in the past where they do not. */
  get resetAtMs(): number {
    return this.#resetAtMs;
  }

  sent(cost: number, nowMs: number): void {
    this.#underWay += cost;
    this.#forget(nowMs);
    // Without a limit the first ones are enough to remember, in case one is announced by their answers.
    if (this.#limit !== null || this.#leavesAtMs.length < MOST_UNANNOUNCED) {
      this.#leavesAtMs.push(nowMs + USUAL_PERIOD_MS);
    }
    if (this.#remaining === null) return;
    if (this.#remaining < cost && nowMs < this.#resetAtMs) this.#hasScouted = true;
    this.#remaining = Math.max(0, this.#remaining - cost);
  }

  /** @param quota what the answer said, or null when it said nothing */
  answered(cost: number, quota: Quota | null, nowMs: number): void {
    this.#underWay = Math.max(0, this.#underWay - cost);
    if (quota === null) return;
    this.#hasScouted = false;
    this.#hasLeft = false;
    this.#limit = quota.limit ?? this.#limit;
    // The endpoint may not have seen what is still under way.
    this.#remaining = Math.max(0, quota.remaining - this.#underWay);
    const resetMs = quota.resetMs ?? 0;
    const used = (quota.limit ?? 0) - quota.remaining;
    this.#resetAtMs = nowMs + (resetMs > this.#longestWaitMs && used > 0 ? resetMs / used : resetMs);
  }

  #forget(nowMs: number): void {
    const firstLeft = this.#leavesAtMs.findIndex((time) => time > nowMs);
    const gone = this.#leavesAtMs.splice(0, firstLeft < 0 ? this.#leavesAtMs.length : firstLeft);
    this.#hasLeft ||= gone.length > 0;
  }
}
