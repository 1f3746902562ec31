/**
 * Ends the work of one call. In two steps, as what is on the wire is paid for: `stop` ends what waits and lets
 * requests under way come back, `abort` ends those as well. A signal of its own for each step would need a listener
 * for each request, of which Node warns.
 */
export class Cancellation {
  readonly #onStop = new Set<(reason: unknown) => void>();
  readonly #onAbort = new Set<(reason: unknown) => void>();
  #stopped: { reason: unknown } | null = null;
  #isAborted = false;

  get isAborted(): boolean {
    return this.#isAborted;
  }

  get reason(): unknown {
    return this.#stopped?.reason;
  }

  throwIfStopped(): void {
    if (this.#stopped) throw this.#stopped.reason;
  }

  /** The first reason wins. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    callAll(this.#onStop, reason);
  }

  abort(reason: unknown): void {
    if (this.#isAborted) return;
    // The caller is to hear that it was aborted, whatever went wrong before.
    this.#stopped = { reason };
    this.#isAborted = true;
    callAll(this.#onStop, reason);
    callAll(this.#onAbort, reason);
  }

  /** Not called when it has stopped already: ask `throwIfStopped` first. Returns what removes the callback. */
  whenStopped(callback: (reason: unknown) => void): () => void {
    this.#onStop.add(callback);
    return () => this.#onStop.delete(callback);
  }

  whenAborted(callback: (reason: unknown) => void): () => void {
    this.#onAbort.add(callback);
    return () => this.#onAbort.delete(callback);
  }
}

/** Waits for a promise, but not beyond the end of the call: then it rejects with the reason. */
export async function orStopped<Result>(
  pending: Promise<Result>,
  cancellation: Cancellation,
): Promise<Result> {
  cancellation.throwIfStopped();
  let forget: (() => void) | undefined;
  const stop = new Promise<never>((_resolve, reject) => {
    forget = cancellation.whenStopped((reason) => {
      reject(reason instanceof Error ? reason : new Error(String(reason)));
    });
  });
  try {
    return await Promise.race([pending, stop]);
  } finally {
    forget?.();
  }
}

function callAll(callbacks: Set<(reason: unknown) => void>, reason: unknown): void {
  const all = [...callbacks];
  callbacks.clear();
  for (const callback of all) callback(reason);
}
