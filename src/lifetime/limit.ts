/** Ends work early; disposing it removes its timer and listeners. */
export interface Limit extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts with any of the signals, and some time after `late` has. */
export function openLimit(
  signals: readonly (AbortSignal | undefined)[],
  late?: { signal: AbortSignal; afterMs: number },
): Limit {
  const controller = new AbortController();
  const sources = signals.filter((signal) => signal !== undefined);
  let timer: NodeJS.Timeout | undefined;
  const stop = () => controller.abort();
  const startTimer = () => {
    timer = setTimeout(stop, late?.afterMs);
  };
  for (const source of sources) {
    if (source.aborted) stop();
    else source.addEventListener('abort', stop, { once: true });
  }
  if (late?.signal.aborted) startTimer();
  else late?.signal.addEventListener('abort', startTimer, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const source of sources) source.removeEventListener('abort', stop);
      late?.signal.removeEventListener('abort', startTimer);
    },
  };
}
