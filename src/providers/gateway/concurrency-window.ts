/** Enough to fill a small limit at once, few enough that an endpoint with a tight one refuses no crowd of requests. */
const FIRST_REQUESTS = 16;

/**
 * How many requests may be under way: additive increase, multiplicative decrease
 * (https://www.rfc-editor.org/rfc/rfc5681#section-3.1, with requests in place of segments). The first success lifts
 * it to the maximum, since waiting for growth would be the larger part of a short run; after the first setback it
 * grows by about one a round trip.
 */
export class ConcurrencyWindow {
  readonly #maximum: number;
  #size: number;
  #hadSuccess = false;
  #hadSetback = false;
  #lastSetbackAtMs = Number.NEGATIVE_INFINITY;

  constructor(maximum: number) {
    this.#maximum = maximum;
    this.#size = Math.min(maximum, FIRST_REQUESTS);
  }

  get size(): number {
    return Math.floor(this.#size);
  }

  succeeded(): void {
    if (!this.#hadSuccess && !this.#hadSetback) this.#size = this.#maximum;
    this.#hadSuccess = true;
    this.#size = Math.min(this.#maximum, this.#size + 1 / this.#size);
  }

  /** Halves, unless the request was already under way when the window was halved last. */
  setBack(sentAtMs: number, nowMs: number): void {
    if (sentAtMs < this.#lastSetbackAtMs) return;
    this.#hadSetback = true;
    this.#lastSetbackAtMs = nowMs;
    this.#size = Math.max(1, this.#size / 2);
  }
}
