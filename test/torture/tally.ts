/** How often which number came. */
export class Tally {
  readonly #counts = new Map<number, number>();

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  get numbers(): number[] {
    return [...this.#counts.keys()].toSorted((left, right) => left - right);
  }

  add(number: number): void {
    this.#counts.set(number, (this.#counts.get(number) ?? 0) + 1);
  }

  /** Such as `3 times 0, 1 time 137`. */
  shown(): string {
    return this.numbers
      .map((number) => {
        const count = this.#counts.get(number) ?? 0;
        return `${count} ${count === 1 ? 'time' : 'times'} ${number}`;
      })
      .join(', ');
  }
}
