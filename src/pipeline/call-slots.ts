/** Lets so many calls through at once, the others in the order in which they came. */
export class CallSlots {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#taken < this.#limit) this.#taken += 1;
    // The place is handed over by whoever leaves, so the count stays as it is.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#taken -= 1;
    }
  }
}
