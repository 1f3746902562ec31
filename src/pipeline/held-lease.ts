import { setMaxListeners } from 'node:events';
import type { CallOptions } from '../ports/database.ts';
import type { Batch } from '../queue/work.ts';

/** The batch's lease may have passed to another worker: nothing more may be written for it. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  constructor() {
    super('the lease of a batch ran out before it was done');
  }
}

/**
 * Makes a write that must not outlive the batch's lease, since it could overwrite newer points. One that takes
 * longer, because the store is away, goes on for as long as the lease is renewed.
 * @param write gets the signal to pass on
 * @throws LeaseLostError when the lease has ended before or meanwhile; whatever the write throws
 */
export async function whileLeased<Result>(
  batch: Batch,
  { signal }: CallOptions,
  write: (options: { signal: AbortSignal }) => Promise<Result>,
): Promise<Result> {
  using watch = watchLease(batch, signal);
  watch.signal.throwIfAborted();
  try {
    return await write({ signal: watch.signal });
  } catch (error) {
    watch.signal.throwIfAborted();
    throw error;
  }
}

/** Aborts with the caller's signal, and with a LeaseLostError at the end of the lease, however often that moves. */
function watchLease(batch: Batch, signal: AbortSignal | undefined): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const leftMs = batch.leaseValidUntil - performance.now();
    if (leftMs <= 0) controller.abort(new LeaseLostError());
    else timer = setTimeout(look, Math.ceil(leftMs));
  };
  const pass = () => controller.abort(signal?.reason);
  if (signal?.aborted) pass();
  else signal?.addEventListener('abort', pass, { once: true });
  look();
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', pass);
    },
  };
}
