/** Calls `listener` once, with the reason, when the first of the signals aborts. Returns what stops listening. */
export function whenAborted(
  signals: readonly (AbortSignal | undefined)[],
  listener: (reason: unknown) => void,
): () => void {
  const listening = signals.filter((signal) => signal !== undefined);
  const stop = () => {
    for (const signal of listening) signal.removeEventListener('abort', onAbort);
  };
  const onAbort = (event: Event) => {
    stop();
    listener((event.target as AbortSignal).reason);
  };
  for (const signal of listening) signal.addEventListener('abort', onAbort);
  return stop;
}
