import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { unavailableError } from '../errors/vecpipe-error.ts';
import { DatabaseError } from '../ports/database.ts';
import type { RunEvent } from '../ports/run-events.ts';
import { watchQueue } from './watch-queue.ts';
import type { Wake } from './watch-queue.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SWEEP_MS = 30_000;

/** A database that can be told to notify. */
class Notifier {
  readonly channels: string[] = [];
  notify: () => void = () => {};
  open = 0;
  async listen(channel: string, onNotify: () => void): Promise<AsyncDisposable> {
    this.channels.push(channel);
    this.notify = onNotify;
    this.open += 1;
    return { [Symbol.asyncDispose]: async () => void (this.open -= 1) };
  }
}

function startWatch(pass: (wake: Wake) => Promise<boolean> | boolean = () => true) {
  const database = new Notifier();
  const controller = new AbortController();
  const wakes: Wake[] = [];
  const said: RunEvent[] = [];
  let idles = 0;
  const done = watchQueue(database, {
    sweepMs: SWEEP_MS,
    stop: controller.signal,
    report: (event) => said.push(event),
    pass: async (wake) => {
      wakes.push(wake);
      return pass(wake);
    },
    onIdle: () => (idles += 1),
  });
  const settled = () => vi.advanceTimersByTimeAsync(200);
  const end = async () => {
    controller.abort();
    await done;
    expect(database.open).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  };
  return { database, controller, wakes, said, done, settled, end, idles: () => idles };
}

describe('watching the queue', () => {
  test('begins with a sweep and makes the next one when its time has come', async () => {
    const watch = startWatch();
    await watch.settled();
    expect(watch.database.channels).toEqual(['vecpipe_queue']);
    expect(watch.wakes).toEqual(['sweep']);
    await vi.advanceTimersByTimeAsync(SWEEP_MS - 300);
    expect(watch.wakes).toEqual(['sweep']);
    await vi.advanceTimersByTimeAsync(200);
    expect(watch.wakes).toEqual(['sweep', 'sweep']);
    expect(watch.idles()).toBe(2);
    await watch.end();
  });

  test('a notification makes a pass, many in a moment make one', async () => {
    const watch = startWatch();
    await watch.settled();
    for (let count = 0; count < 20; count += 1) watch.database.notify();
    await watch.settled();
    expect(watch.wakes).toEqual(['sweep', 'queued']);
    watch.database.notify();
    await watch.settled();
    expect(watch.wakes).toEqual(['sweep', 'queued', 'queued']);
    await watch.end();
  });

  test('notifications do not put the sweep off', async () => {
    const watch = startWatch();
    for (let seconds = 0; seconds < 62; seconds += 1) {
      watch.database.notify();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(watch.wakes.filter((wake) => wake === 'sweep').length).toBe(3);
    await watch.end();
  });

  test('what comes during a pass makes another one at once', async () => {
    let release = () => {};
    const watch = startWatch(async () => {
      await new Promise<void>((resolve) => (release = resolve));
      return true;
    });
    await watch.settled();
    watch.database.notify();
    release();
    await watch.settled();
    expect(watch.wakes).toEqual(['sweep', 'queued']);
    release();
    await watch.settled();
    expect(watch.wakes).toHaveLength(2);
    await watch.end();
  });

  test('a pass that is not done is followed by a sweep without waiting', async () => {
    const outcomes = [true, false, true];
    const watch = startWatch(() => outcomes.shift() ?? true);
    await watch.settled();
    watch.database.notify();
    await watch.settled();
    expect(watch.wakes).toEqual(['sweep', 'queued', 'sweep']);
    expect(watch.idles()).toBe(2);
    await watch.end();
  });

  test('ends with the error of a pass, and leaves nothing', async () => {
    const failure = unavailableError('database_unreachable', 'away');
    const watch = startWatch(() => {
      throw failure;
    });
    await expect(watch.done).rejects.toBe(failure);
    expect(watch.database.open).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a stop during a pass waits for it and makes no other', async () => {
    let release = () => {};
    const watch = startWatch(async () => {
      await new Promise<void>((resolve) => (release = resolve));
      return false;
    });
    await watch.settled();
    watch.database.notify();
    watch.controller.abort();
    release();
    await watch.end();
    expect(watch.wakes).toEqual(['sweep']);
    expect(watch.idles()).toBe(0);
  });

  test('nothing grows with the passes', async () => {
    const watch = startWatch();
    await watch.settled();
    const timers = vi.getTimerCount();
    for (let count = 0; count < 500; count += 1) {
      watch.database.notify();
      await watch.settled();
    }
    expect(watch.wakes.length).toBeGreaterThan(500);
    expect(watch.database.open).toBe(1);
    expect(vi.getTimerCount()).toBe(timers);
    expect(getEventListeners(watch.controller.signal, 'abort')).toHaveLength(1);
    await watch.end();
  });
});

describe('a database that', () => {
  const watchOver = (error: Error, stop: AbortSignal, said: RunEvent[], wakes: Wake[]) => {
    const listen = async () => {
      throw error;
    };
    return watchQueue(
      { listen },
      {
        sweepMs: SWEEP_MS,
        stop,
        report: (event) => said.push(event),
        pass: async (wake) => wakes.push(wake) > 0,
        onIdle: () => {},
      },
    );
  };

  test('refuses to be listened to is looked at now and then', async () => {
    const controller = new AbortController();
    const said: RunEvent[] = [];
    const wakes: Wake[] = [];
    const done = watchOver(new DatabaseError('not here', '0A000'), controller.signal, said, wakes);
    await vi.advanceTimersByTimeAsync(SWEEP_MS);
    expect(wakes).toEqual(['sweep', 'sweep']);
    expect(said).toEqual([
      {
        type: 'warning',
        message: 'new work is noticed by looking for it now and then only, since LISTEN is refused: not here',
      },
    ]);
    controller.abort();
    await done;
  });

  test('is away ends the watch before the first pass', async () => {
    const wakes: Wake[] = [];
    const failure = unavailableError('database_unreachable', 'away');
    await expect(watchOver(failure, new AbortController().signal, [], wakes)).rejects.toBe(failure);
    expect(wakes).toEqual([]);
  });
});
