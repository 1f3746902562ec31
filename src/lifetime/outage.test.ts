import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { unavailableError, usageError } from '../errors/vecpipe-error.ts';
import { Outage } from './outage.ts';
import type { OutageOptions } from './outage.ts';

const MINUTE_MS = 60_000;
const away = (reason = 'connection refused') =>
  unavailableError('away', `cannot reach the service: ${reason}`, 'start it');

let notices: string[];
let stop: AbortController;

beforeEach(() => {
  vi.useFakeTimers();
  notices = [];
  stop = new AbortController();
  setMaxListeners(0, stop.signal);
});
afterEach(() => {
  expect(vi.getTimerCount(), 'timers left behind').toBe(0);
  vi.useRealTimers();
});

function outageOf(changes: Partial<OutageOptions> = {}): Outage {
  return new Outage({
    service: 'Service at here',
    maxOutageMs: MINUTE_MS,
    hasAnswered: true,
    isOutage: ({ code }, isKnown) => code === 'away' || (isKnown && code === 'read_only'),
    giveUp: stop.signal,
    notify: (message) => notices.push(message),
    ...changes,
  });
}

/** Fails until the service is back, or for ever. */
function service(backAfterMs = Infinity, error: () => Error = away) {
  const goneAt = performance.now();
  const call = vi.fn(async (_options: { signal?: AbortSignal }) => {
    if (performance.now() - goneAt < backAfterMs) throw error();
    return 'answer';
  });
  return call;
}

test('a call goes on until the service is back, and says so once each way', async () => {
  using outage = outageOf();
  const call = service(12_000);
  const results = Promise.all(Array.from({ length: 20 }, () => outage.run(call)));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(notices).toEqual(['Cannot reach the service: connection refused; trying again for up to 60 s']);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await results).toEqual(Array.from({ length: 20 }, () => 'answer'));
  expect(notices).toHaveLength(2);
  expect(notices[1]).toMatch(/^Service at here is back after 1[2-7] s$/);
});

test('pauses grow from a tenth of a second to five seconds', async () => {
  using outage = outageOf();
  const times: number[] = [];
  const run = outage.run(async () => {
    times.push(performance.now());
    throw away();
  });
  const ended = expect(run).rejects.toThrow('cannot reach');
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  await ended;
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  for (const [index, pauseMs] of pauses.slice(0, -1).entries()) {
    const full = Math.min(5_000, 100 * 2 ** index);
    expect(pauseMs).toBeGreaterThanOrEqual(full / 2 - 1);
    expect(pauseMs).toBeLessThanOrEqual(full + 1);
  }
  expect(pauses.length).toBeLessThan(35);
});

test('one answer wakes all who wait', async () => {
  using outage = outageOf();
  let isAway = true;
  const call = async () => {
    if (isAway) throw away();
    return performance.now();
  };
  const waiting = [outage.run(call), outage.run(call), outage.run(call)];
  await vi.advanceTimersByTimeAsync(30_000);
  isAway = false;
  const first = await outage.run(call);
  expect(await Promise.all(waiting)).toEqual([first, first, first]);
});

test('an outage that is over in a moment is not worth a word', async () => {
  using outage = outageOf();
  const run = outage.run(service(90));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await run).toBe('answer');
  expect(notices).toEqual([]);
});

test('the deadline ends all calls with the last error and how long it was tried', async () => {
  using outage = outageOf({ maxOutageMs: 90_000 });
  let attempts = 0;
  const call = async () => {
    attempts += 1;
    throw away(`attempt ${attempts}`);
  };
  const early = outage.run(call);
  const ended = [
    expect(early).rejects.toMatchObject({ family: 'unavailable', code: 'away', hint: 'start it' }),
  ];
  await vi.advanceTimersByTimeAsync(60_000);
  const late = outage.run(call);
  // Counted from when the service failed first, not from when this call did.
  ended.push(
    expect(late).rejects.toThrow(
      /^cannot reach the service: attempt \d+; tried again for 90 s \(--max-outage\)$/,
    ),
  );
  await vi.advanceTimersByTimeAsync(31_000);
  await Promise.all(ended);

  // Known to be away a moment ago, so it is not asked again at once.
  const before = attempts;
  await expect(outage.run(call)).rejects.toMatchObject({ code: 'away' });
  expect(attempts).toBe(before);
  await vi.advanceTimersByTimeAsync(6_000);
  await expect(outage.run(call)).rejects.toMatchObject({ code: 'away' });
  expect(attempts).toBe(before + 1);
  expect(await outage.run(async () => 'answer').catch(() => 'refused')).toBe('refused');
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await outage.run(async () => 'answer')).toBe('answer');
});

test('an answer starts the time anew', async () => {
  using outage = outageOf();
  const first = outage.run(service(50_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await first).toBe('answer');
  const second = outage.run(service(50_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await second).toBe('answer');
});

test('a call that always fails ends though others are answered all the while', async () => {
  using outage = outageOf();
  const unlucky = expect(outage.run(service())).rejects.toThrow('tried again for');
  for (let second = 0; second < 70; second += 1) {
    await outage.run(async () => 'answer');
    await vi.advanceTimersByTimeAsync(1_000);
  }
  await unlucky;
});

test('what is no outage is thrown at once', async () => {
  using outage = outageOf();
  for (const error of [
    unavailableError('disk_full', 'the disk is full'),
    usageError('typo', 'x'),
    new Error('bug'),
  ]) {
    const call = service(Infinity, () => error);
    await expect(outage.run(call)).rejects.toBe(error);
    expect(call).toHaveBeenCalledTimes(1);
  }
  expect(notices).toEqual([]);
});

test('what only an outage explains is waited for during one and shortly after, and else thrown at once', async () => {
  using outage = outageOf();
  const readOnly = unavailableError('read_only', 'it is read-only');
  await expect(outage.run(service(Infinity, () => readOnly))).rejects.toBe(readOnly);

  const errors = [away(), readOnly, readOnly];
  const failover = outage.run(async () => {
    const error = errors.shift();
    if (error) throw error;
    return 'answer';
  });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await failover).toBe('answer');
  // The old primary has answered a read, which says nothing about writes.
  const write = outage.run(service(3_000, () => readOnly));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await write).toBe('answer');

  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  await expect(outage.run(service(Infinity, () => readOnly))).rejects.toBe(readOnly);
});

test('a service that never answered fails at once', async () => {
  using outage = outageOf({ hasAnswered: false });
  const error = away();
  const call = service(1, () => error);
  await expect(outage.run(call)).rejects.toBe(error);
  expect(call).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await outage.run(call)).toBe('answer');
  const again = outage.run(service(5_000));
  await vi.advanceTimersByTimeAsync(15_000);
  expect(await again).toBe('answer');
});

test('a failure of one connection is followed by another attempt without a pause', async () => {
  using outage = outageOf({ isOneConnection: () => true });
  const errors = [away()];
  const call = vi.fn(async () => {
    const error = errors.shift();
    if (error) throw error;
    return 'answer';
  });
  // No timer has to run for it.
  expect(await outage.run(call)).toBe('answer');
  expect(call).toHaveBeenCalledTimes(2);
});

test('a request to stop ends all waiting with the last error, and the calls that follow are made once', async () => {
  using outage = outageOf();
  const error = away();
  const call = service(Infinity, () => error);
  const ended = [outage.run(call), outage.run(call)].map((run) => expect(run).rejects.toBe(error));
  await vi.advanceTimersByTimeAsync(10_000);
  stop.abort(new Error('stopped'));
  await Promise.all(ended);
  const before = call.mock.calls.length;
  await expect(outage.run(call)).rejects.toBe(error);
  await expect(outage.run(call)).rejects.toBe(error);
  expect(call).toHaveBeenCalledTimes(before + 1);
});

test('a request to stop gives an attempt that hangs half a second', async () => {
  using outage = outageOf();
  const error = away();
  let isFirst = true;
  let passedOn: AbortSignal | undefined;
  const run = outage.run(async ({ signal }) => {
    if (!isFirst) {
      passedOn = signal;
      return new Promise<never>(() => {});
    }
    isFirst = false;
    throw error;
  });
  const ended = expect(run).rejects.toBe(error);
  await vi.advanceTimersByTimeAsync(10_000);
  stop.abort(new Error('stopped'));
  await vi.advanceTimersByTimeAsync(499);
  expect(passedOn?.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await ended;
  expect(passedOn?.aborted).toBe(true);
});

test("a call's own signal ends it with its reason, whether it waits or hangs", async () => {
  using outage = outageOf();
  const own = new AbortController();
  const reason = new Error('lease lost');
  const waiting = expect(outage.run(service(), own.signal)).rejects.toBe(reason);
  let isFirst = true;
  const hanging = expect(
    outage.run(async () => {
      if (!isFirst) return new Promise<never>(() => {});
      isFirst = false;
      throw away();
    }, own.signal),
  ).rejects.toBe(reason);
  await vi.advanceTimersByTimeAsync(3_000);
  own.abort(reason);
  await Promise.all([waiting, hanging]);
});

test('disposal ends all waiting', async () => {
  const outage = outageOf();
  const error = away();
  const ended = expect(outage.run(service(Infinity, () => error))).rejects.toBe(error);
  await vi.advanceTimersByTimeAsync(200);
  outage[Symbol.dispose]();
  await ended;
  expect(notices).toEqual([]);
});

test('without any time to wait, a failure is final', async () => {
  using outage = outageOf({ maxOutageMs: 0 });
  const error = away();
  const call = service(Infinity, () => error);
  await expect(outage.run(call)).rejects.toBe(error);
  expect(call).toHaveBeenCalledTimes(1);
});
