/** How gateways count: windows one after the other, the requests of the last period, or a bucket that fills. */
export type LimiterKind = 'fixed' | 'sliding' | 'bucket';

export interface LimiterDecision {
  allowed: boolean;
  limit: number;
  remaining: number;
  /** Until the limit is whole again. */
  resetMs: number;
  /** Until one request would be taken; 0 when this one was. */
  retryAfterMs: number;
}

/** Allows `limit` requests a period, by a clock that the caller reads. */
export class RequestLimiter {
  readonly #kind: LimiterKind;
  readonly #limit: number;
  readonly #periodMs: number;
  #windowStartMs = 0;
  #used = 0;
  #times: number[] = [];
  #level: number;
  #filledAtMs = 0;

  constructor(kind: LimiterKind, limit: number, periodMs: number) {
    this.#kind = kind;
    this.#limit = limit;
    this.#periodMs = periodMs;
    this.#level = limit;
  }

  take(nowMs: number): LimiterDecision {
    if (this.#kind === 'fixed') return this.#takeFixed(nowMs);
    return this.#kind === 'sliding' ? this.#takeSliding(nowMs) : this.#takeFromBucket(nowMs);
  }

  /** Windows begin where the clock says, as those of a minute do, not at the first request. */
  #takeFixed(nowMs: number): LimiterDecision {
    const startMs = Math.floor(nowMs / this.#periodMs) * this.#periodMs;
    if (startMs !== this.#windowStartMs) {
      this.#windowStartMs = startMs;
      this.#used = 0;
    }
    const allowed = this.#used < this.#limit;
    if (allowed) this.#used += 1;
    const resetMs = startMs + this.#periodMs - nowMs;
    return this.#decision(allowed, this.#limit - this.#used, resetMs, resetMs);
  }

  #takeSliding(nowMs: number): LimiterDecision {
    this.#times = this.#times.filter((time) => time > nowMs - this.#periodMs);
    const allowed = this.#times.length < this.#limit;
    if (allowed) this.#times.push(nowMs);
    const nextMs = (this.#times[0] ?? nowMs) + this.#periodMs - nowMs;
    const resetMs = (this.#times.at(-1) ?? nowMs) + this.#periodMs - nowMs;
    return this.#decision(allowed, this.#limit - this.#times.length, resetMs, nextMs);
  }

  #takeFromBucket(nowMs: number): LimiterDecision {
    const perMs = this.#limit / this.#periodMs;
    this.#level = Math.min(this.#limit, this.#level + (nowMs - this.#filledAtMs) * perMs);
    this.#filledAtMs = nowMs;
    const allowed = this.#level >= 1;
    if (allowed) this.#level -= 1;
    return this.#decision(
      allowed,
      Math.floor(this.#level),
      (this.#limit - this.#level) / perMs,
      (1 - this.#level) / perMs,
    );
  }

  #decision(allowed: boolean, remaining: number, resetMs: number, waitMs: number): LimiterDecision {
    return { allowed, limit: this.#limit, remaining, resetMs, retryAfterMs: allowed ? 0 : waitMs };
  }
}
