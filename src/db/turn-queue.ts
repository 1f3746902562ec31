import { waitOrAbort } from '../lifetime/abort.ts';

/** Runs pieces of work one after another, in the order in which they came. */
export class TurnQueue {
  #last: Promise<void> = Promise.resolve();

  /**
   * Runs `work` once everything before it has settled. Aborting while it waits rejects with the signal's reason
   * and the work never starts; once started, it is waited for.
   */
  async take<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const before = this.#last;
    let finish: (() => void) | undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.#last = before.then(() => done);
    try {
      await waitOrAbort(before, signal);
      return await work();
    } finally {
      finish?.();
    }
  }
}
