import { waitOrAbort } from '../../src/lifetime/abort.ts';
import type { CallOptions } from '../../src/ports/database.ts';

/** Holds whoever comes until it is opened, so that a race is arranged instead of hoped for. */
export class Gate {
  /** How many have come so far. */
  arrived = 0;
  readonly #opened: Promise<void>;
  #open: () => void = () => {};
  readonly #watchers: { count: number; tell: () => void }[] = [];

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  /** Waits until the gate is open; aborting ends the wait with the signal's reason. */
  async pass({ signal }: CallOptions = {}): Promise<void> {
    this.arrived += 1;
    for (const { count, tell } of this.#watchers) if (this.arrived >= count) tell();
    await waitOrAbort(this.#opened, signal);
  }

  /** Resolves once `count` have come. */
  async waiting(count = 1): Promise<void> {
    if (this.arrived >= count) return;
    await new Promise<void>((tell) => {
      this.#watchers.push({ count, tell });
    });
  }

  open(): void {
    this.#open();
  }
}
