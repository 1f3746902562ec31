/** The period of most limits, and as far back as it is worth looking. */
const PERIOD_MS = 60_000;
const BUCKET_MS = 1000;
/** A rate that so many requests bear out is trusted, and changed slowly; another one may be a moment's bad luck. */
const TRUSTED_REQUESTS = 30;
/** Measures that differ by less bear each other out. */
const SAME_RATE = 0.3;
const REQUESTS_A_STEP = 60;
const STEP_MS = 15_000;
const REQUESTS_A_STEP_UNTRUSTED = 4;
/** Shares of what got through, one a step: near it for long, so that refusals are rare, then beyond to look for more. */
const STEPS = [0.96, ...Array.from({ length: 9 }, () => 0.98), 1, 1.03, 1.08, 1.2];
/** A rate that is not trusted, or not met at all, grows by that from step to step. */
const GROWTH = 1.5;

interface Bucket {
  startMs: number;
  passed: number;
}

/**
 * Finds the rate of an endpoint that names none. After a 429 it is what got through: in the last minute, or, where
 * requests were taken for less than a minute, from then until they are taken again. For a limit by fixed or sliding
 * windows and for a bucket that fills, that is the limit itself, or comes to it with the second refusal. The rate stays
 * a little below for some hundred requests and then grows, faster the longer nothing is refused, for the limit may
 * have been somebody else's load.
 */
export class LearnedRate {
  #perMs: number | null = null;
  /** What got through, by the millisecond, and how many requests say so. */
  #measured = 0;
  #witnesses = 0;
  #step = 0;
  #stepStartMs = 0;
  #sinceStep = 0;
  /** Since when requests are taken. */
  #sinceMs: number | null = null;
  #buckets: Bucket[] = [];
  #isRefused = false;
  #wholeMinute: number | null = null;

  /** Requests a millisecond; null while nothing was refused. */
  get perMs(): number | null {
    return this.#perMs;
  }

  sent(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  succeeded(nowMs: number): void {
    const newest = this.#buckets.at(-1);
    if (newest !== undefined && nowMs - newest.startMs < BUCKET_MS) newest.passed += 1;
    else this.#buckets.push({ startMs: nowMs, passed: 1 });
    this.#forget(nowMs);
    if (this.#perMs === null) return;
    this.#sinceStep += 1;
    const isDue = this.#isTrusted
      ? this.#sinceStep >= REQUESTS_A_STEP && nowMs - this.#stepStartMs >= STEP_MS
      : this.#sinceStep >= REQUESTS_A_STEP_UNTRUSTED;
    if (isDue) this.#grow(nowMs, this.#perMs);
  }

  /** The first 429 of several. */
  refused(nowMs: number): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#forget(nowMs);
    const isWholeMinute = this.#sinceMs !== null && nowMs - this.#sinceMs >= PERIOD_MS;
    this.#wholeMinute = isWholeMinute ? this.#passed() : null;
  }

  /** Requests are taken again; the one that found out was sent at `sentAtMs` and is yet to be counted. */
  takenAgain(sentAtMs: number, nowMs: number): void {
    const passed = this.#wholeMinute ?? this.#passed();
    const elapsedMs =
      this.#wholeMinute === null ? Math.min(PERIOD_MS, sentAtMs - (this.#sinceMs ?? sentAtMs)) : PERIOD_MS;
    if (passed > 0 && elapsedMs > 0) {
      const measured = passed / elapsedMs;
      const isSame = Math.abs(measured - this.#measured) < SAME_RATE * this.#measured;
      this.#witnesses = isSame ? this.#witnesses + passed : passed;
      this.#measured = measured;
      this.#perMs = this.#measured * (STEPS[0] ?? 1);
    }
    this.#step = 0;
    this.#sinceStep = 0;
    this.#stepStartMs = nowMs;
    this.#sinceMs = sentAtMs;
    this.#buckets = [];
    this.#isRefused = false;
  }

  get #isTrusted(): boolean {
    return this.#witnesses >= TRUSTED_REQUESTS;
  }

  #grow(nowMs: number, perMs: number): void {
    this.#step += 1;
    this.#sinceStep = 0;
    this.#stepStartMs = nowMs;
    const share = this.#isTrusted ? STEPS[this.#step] : undefined;
    this.#perMs = share === undefined ? perMs * GROWTH : this.#measured * share;
  }

  #passed(): number {
    return this.#buckets.reduce((sum, { passed }) => sum + passed, 0);
  }

  #forget(nowMs: number): void {
    while (nowMs - (this.#buckets[0]?.startMs ?? nowMs) >= PERIOD_MS) this.#buckets.shift();
  }
}
