/** Timers come late; what they miss may be made up for, within reason. */
const SLACK_MS = 100;

/** Evenly spaced spending at a rate that may change at any time. */
export class Spacing {
  #fromMs = Number.NEGATIVE_INFINITY;
  #cost = 0;

  /** @param perMs cost a millisecond, above 0; null is no limit */
  readyAt(perMs: number | null): number {
    if (perMs === null) return Number.NEGATIVE_INFINITY;
    return this.#fromMs + this.#cost / perMs;
  }

  sent(cost: number, perMs: number | null, nowMs: number): void {
    const readyAtMs = this.readyAt(perMs);
    this.#fromMs = Number.isFinite(readyAtMs) ? Math.max(readyAtMs, nowMs - SLACK_MS) : nowMs;
    this.#cost = cost;
  }
}
