/** The time in which one call may run: it ends with a deadline, or with the first of several signals. */
export interface CallWindow extends Disposable {
  /** Aborts at the deadline and with any of the signals. */
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** Milliseconds until the deadline; never negative. */
  remainingMs(): number;
  /** Throws the reason of the signal that has ended the call, if one has; not the deadline. */
  throwIfStopped(): void;
}

/**
 * Opens a window; disposing it removes its timer and listeners. `AbortSignal.any` and `AbortSignal.timeout` would
 * leave both behind on a long-lived signal until they are collected.
 */
export function openCallWindow(
  signals: readonly (AbortSignal | undefined)[],
  deadlineMs: number,
): CallWindow {
  const controller = new AbortController();
  const sources = signals.filter((signal) => signal !== undefined);
  const endsAt = performance.now() + deadlineMs;
  const stop = () => controller.abort();
  const timer = setTimeout(stop, deadlineMs);
  for (const source of sources) {
    if (source.aborted) stop();
    else source.addEventListener('abort', stop, { once: true });
  }
  return {
    signal: controller.signal,
    deadlineMs,
    remainingMs: () => Math.max(0, endsAt - performance.now()),
    throwIfStopped() {
      for (const source of sources) source.throwIfAborted();
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const source of sources) source.removeEventListener('abort', stop);
    },
  };
}
