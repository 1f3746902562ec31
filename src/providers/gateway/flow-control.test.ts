import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RequestLimiter } from '../../../test/helpers/request-limiter.ts';
import type { LimiterDecision, LimiterKind } from '../../../test/helpers/request-limiter.ts';
import { Cancellation } from './cancellation.ts';
import type { Clock } from './clock.ts';
import { FlowControl } from './flow-control.ts';
import type { FlowLimits, Slot } from './flow-control.ts';
import type { LimitHeaders } from './limit-headers.ts';

/** A clock that stands still until it is told to go on to the next timer. */
class VirtualClock implements Clock {
  #nowMs = 30_000;
  #timers: { atMs: number; callback: () => void }[] = [];
  #seed = 7;

  now = () => this.#nowMs;
  epoch = () => this.#nowMs;

  random = () => {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 32;
  };

  after = (delayMs: number, callback: () => void) => {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };

  get timers(): number {
    return this.#timers.length;
  }

  /** Lets time pass timer by timer, what they set off included. */
  async run(untilMs: number): Promise<void> {
    for (;;) {
      await setImmediate();
      let next: { atMs: number; callback: () => void } | undefined;
      for (const timer of this.#timers) if (next === undefined || timer.atMs < next.atMs) next = timer;
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}

const LATENCY_MS = 200;
const NOT_ANNOUNCED: LimitHeaders = { retryAfterMs: null, requests: null, tokens: null };

type Announce = (decision: LimiterDecision) => LimitHeaders;

const ANNOUNCEMENTS: Record<'headers' | 'retry-after' | 'nothing', Announce> = {
  headers: ({ allowed, limit, remaining, resetMs, retryAfterMs }) => ({
    retryAfterMs: allowed ? null : Math.ceil(retryAfterMs / 1000) * 1000,
    requests: { limit, remaining, resetMs },
    tokens: null,
  }),
  'retry-after': ({ allowed, retryAfterMs }) => ({
    ...NOT_ANNOUNCED,
    retryAfterMs: allowed ? null : Math.ceil(retryAfterMs / 1000) * 1000,
  }),
  nothing: () => NOT_ANNOUNCED,
};

interface Played {
  accepted: number;
  limited: number;
  /** Of what the limit allows in that time. */
  share: number;
  limitedShare: number;
  peak: number;
}

/** Sends as fast as the flow lets it, for some minutes of a clock of its own. */
async function play(
  minutes: number,
  limits: Partial<FlowLimits>,
  limiter: Pick<RequestLimiter, 'take'> | null,
  announce: Announce,
  perMinute: number,
): Promise<Played> {
  const clock = new VirtualClock();
  const flow = new FlowControl(
    { maxConcurrency: 32, requestsPerMinute: null, longestPauseMs: 120_000, ...limits },
    clock,
    (waitMs) => new Error(`a pause of ${waitMs} ms`),
  );
  const cancellation = new Cancellation();
  const startMs = clock.now();
  const endMs = startMs + minutes * 60_000;
  const played = { accepted: 0, limited: 0, underWay: 0, peak: 0 };
  const one = async (): Promise<void> => {
    for (let isRetry = false; ;) {
      const slot = await flow.enter(100, { isFirst: isRetry, isWanted: () => true }, cancellation);
      if (slot === null) throw new Error('not wanted');
      played.underWay += 1;
      played.peak = Math.max(played.peak, played.underWay);
      const { decision } = await new Promise<{ decision: LimiterDecision | null }>((resolve) => {
        clock.after(LATENCY_MS / 2, () => {
          const decision = limiter?.take(clock.now()) ?? null;
          clock.after(LATENCY_MS / 2, () => resolve({ decision }));
        });
      });
      played.underWay -= 1;
      isRetry = decision !== null && !decision.allowed;
      played[isRetry ? 'limited' : 'accepted'] += 1;
      flow.leave(slot, isRetry ? 'limited' : 'accepted', decision === null ? null : announce(decision));
    }
  };
  const work = Array.from({ length: 40 }, () => one().catch(() => {}));
  await clock.run(endMs);
  cancellation.stop(new Error('time is up'));
  flow.end(new Error('time is up'));
  await clock.run(endMs + 60_000);
  await Promise.all(work);
  expect(clock.timers).toBe(0);
  const { accepted, limited, peak } = played;
  return {
    accepted,
    limited,
    share: accepted / (perMinute * minutes),
    limitedShare: limited / (accepted + limited),
    peak,
  };
}

describe('FlowControl under a limit of requests a minute', () => {
  const kinds: LimiterKind[] = ['fixed', 'sliding', 'bucket'];
  const cases = kinds.flatMap((kind) => [60, 600].map((perMinute) => ({ kind, perMinute })));

  it.each(cases)('announced by headers: $kind, $perMinute', async ({ kind, perMinute }) => {
    const limiter = new RequestLimiter(kind, perMinute, 60_000);
    const played = await play(8, {}, limiter, ANNOUNCEMENTS.headers, perMinute);
    expect(played.share).toBeGreaterThanOrEqual(0.9);
    expect(played.limitedShare).toBeLessThan(0.02);
  });

  it.each(cases)('named by requestsPerMinute: $kind, $perMinute', async ({ kind, perMinute }) => {
    const limiter = new RequestLimiter(kind, perMinute, 60_000);
    const played = await play(8, { requestsPerMinute: perMinute }, limiter, ANNOUNCEMENTS.nothing, perMinute);
    expect(played.share).toBeGreaterThanOrEqual(0.9);
    expect(played.limitedShare).toBeLessThan(0.02);
  });

  it.each(
    cases.flatMap((each) =>
      (['retry-after', 'nothing'] as const).map((announced) => ({ ...each, announced })),
    ),
  )('not announced: $kind, $perMinute, with $announced in a 429', async ({ kind, perMinute, announced }) => {
    const limiter = new RequestLimiter(kind, perMinute, 60_000);
    const minutes = perMinute < 100 ? 40 : 10;
    const played = await play(minutes, {}, limiter, ANNOUNCEMENTS[announced], perMinute);
    expect(played.share).toBeGreaterThanOrEqual(0.9);
    // To find a small limit costs up to as many refusals as there are requests under way, once.
    expect(played.limitedShare).toBeLessThan(perMinute < 100 ? 0.03 : 0.02);
  });

  it('a limit that is lifted is left behind', async () => {
    let taken = 0;
    const limiter = new RequestLimiter('fixed', 60, 60_000);
    const lifted: Pick<RequestLimiter, 'take'> = {
      take: (nowMs) => {
        taken += 1;
        const decision = limiter.take(nowMs);
        return taken > 200 ? { ...decision, allowed: true } : decision;
      },
    };
    const played = await play(25, {}, lifted, ANNOUNCEMENTS.nothing, 60);
    expect(played.accepted).toBeGreaterThan(60 * 25 * 2);
  });
});

describe('FlowControl without a limit', () => {
  it('keeps as many requests under way as it may', async () => {
    const played = await play(0.5, { maxConcurrency: 24 }, null, ANNOUNCEMENTS.nothing, 1);
    expect(played.peak).toBe(24);
    // The first round trip has 16, then there are always 24.
    expect(played.accepted).toBeGreaterThanOrEqual((30_000 / LATENCY_MS - 2) * 24);
  });

  it('starts with few, and halves once a round trip', async () => {
    const clock = new VirtualClock();
    const limits = { maxConcurrency: 64, requestsPerMinute: null, longestPauseMs: 1000 };
    using flow = new FlowControl(limits, clock, () => new Error('too long'));
    const cancellation = new Cancellation();
    const slots: Slot[] = [];
    const ask = () =>
      void flow
        .enter(1, { isFirst: false, isWanted: () => true }, cancellation)
        .then((slot) => slot && slots.push(slot))
        .catch(() => {});
    const sent = async () => {
      await setImmediate();
      return slots.splice(0);
    };
    for (let asked = 0; asked < 200; asked += 1) ask();
    const first = await sent();
    expect(first).toHaveLength(16);
    for (const slot of first) flow.leave(slot, 'accepted', null);
    const second = await sent();
    expect(second).toHaveLength(64);
    await clock.run(clock.now() + 1000);
    for (const slot of second) flow.leave(slot, 'congested', null);
    // 32 after one halving, however many requests failed in that round trip.
    expect(await sent()).toHaveLength(32);
    cancellation.stop(new Error('the end'));
  });

  it('gives up a request that is no longer wanted, and one that is stopped', async () => {
    const clock = new VirtualClock();
    const limits = { maxConcurrency: 1, requestsPerMinute: null, longestPauseMs: 1000 };
    using flow = new FlowControl(limits, clock, () => new Error('too long'));
    const cancellation = new Cancellation();
    let isWanted = true;
    const wanted = { isFirst: false, isWanted: () => true };
    const slot = await flow.enter(1, wanted, cancellation);
    const unwanted = flow.enter(1, { isFirst: false, isWanted: () => isWanted }, cancellation);
    const last = flow.enter(1, wanted, cancellation);
    const stopped = new Cancellation();
    const ended = expect(flow.enter(1, wanted, stopped)).rejects.toThrow('stopped');
    stopped.stop(new Error('stopped'));
    await ended;
    isWanted = false;
    if (slot === null) throw new Error('the first one has the turn');
    flow.leave(slot, 'other', null);
    expect(await unwanted).toBeNull();
    expect(await last).not.toBeNull();
  });
});
