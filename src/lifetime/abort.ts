/**
 * Waits for a promise, or rejects with the signal's reason as soon as it aborts. The listener is removed in
 * every case. A result that arrives after the abort is handed to `releaseLate`, so that it is not leaked.
 */
export async function waitOrAbort<Result>(
  pending: Promise<Result>,
  signal: AbortSignal | undefined,
  releaseLate?: (late: Result) => unknown,
): Promise<Result> {
  if (!signal) return pending;
  let aborted = false;
  let onAbort: (() => void) | undefined;
  const abortion = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      aborted = true;
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  pending.then(
    (late) => aborted && releaseLate?.(late),
    () => {},
  );
  try {
    return await Promise.race([pending, abortion]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

/** Resolves after `delayMs`, or at once when the signal aborts; true when the full time has passed. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return false;
  return new Promise((resolve) => {
    const finish = (whole: boolean) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve(whole);
    };
    const onAbort = () => finish(false);
    const timer = setTimeout(() => finish(true), delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
