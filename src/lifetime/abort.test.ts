import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { pause, waitOrAbort } from './abort.ts';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

describe('waiting for a promise', () => {
  test('gives its result, or its error', async () => {
    const { signal } = new AbortController();
    expect(await waitOrAbort(Promise.resolve(1), signal)).toBe(1);
    expect(await waitOrAbort(Promise.resolve(1), undefined)).toBe(1);
    await expect(waitOrAbort(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
    expect(listeners(signal)).toBe(0);
  });

  test('ends with the reason as soon as the signal aborts', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const waiting = waitOrAbort(new Promise(() => {}), controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(listeners(controller.signal)).toBe(0);
  });

  test('ends at once when the signal has aborted before, also with a reason that is no error', async () => {
    await expect(waitOrAbort(new Promise(() => {}), AbortSignal.abort('enough'))).rejects.toThrow('enough');
  });

  test('hands a result that comes too late to whoever releases it', async () => {
    const controller = new AbortController();
    let settle: (value: string) => void = () => {};
    const pending = new Promise<string>((resolve) => (settle = resolve));
    const release = vi.fn<(late: string) => void>();
    const waiting = waitOrAbort(pending, controller.signal, release);
    controller.abort();
    await expect(waiting).rejects.toThrow();
    settle('a connection');
    await pending;
    expect(release).toHaveBeenCalledExactlyOnceWith('a connection');
  });

  test('does not release a result that was given', async () => {
    const controller = new AbortController();
    const release = vi.fn<() => void>();
    await waitOrAbort(Promise.resolve(1), controller.signal, release);
    controller.abort();
    expect(release).not.toHaveBeenCalled();
  });
});

describe('a pause', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('lasts its time', async () => {
    const { signal } = new AbortController();
    const paused = pause(1_000, signal);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await paused).toBe(true);
    expect(listeners(signal)).toBe(0);
  });

  test('ends early when the signal aborts, and leaves no timer', async () => {
    const controller = new AbortController();
    const paused = pause(1_000, controller.signal);
    controller.abort();
    expect(await paused).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
    expect(await pause(1_000, controller.signal)).toBe(false);
  });
});
