import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { unavailableError, usageError, VecpipeError } from '../errors/vecpipe-error.ts';
import { noCounts } from '../pipeline/counts.ts';
import type { Counts, Failure } from '../pipeline/counts.ts';
import type { Target } from '../pipeline/target.ts';
import { targetFailure, VectorizeFailure } from '../pipeline/vectorize.ts';
import type { RunEvent } from '../ports/run-events.ts';
import type { OpenedTargets } from './open-targets.ts';
import { Watch } from './watch.ts';
import type { PassOptions, Watched } from './watch.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SWEEP_MS = 30_000;

/** What happens to one target in one pass. */
interface Happening {
  counts?: Partial<Counts>;
  failures?: Failure[];
  error?: VecpipeError;
  unopened?: VecpipeError;
}

interface Pass {
  targets: string[];
  options: PassOptions;
}

const down = () => unavailableError('provider_unavailable', 'the provider does not answer');
const rowFailure = (entity: string): Failure => ({
  tenant: '1',
  entity,
  key: '7',
  code: 'text_too_long',
  message: 'too long',
});

/** A watch over fakes: `next` says what the coming passes meet, `claimable` what the queue offers. */
class Stage {
  readonly entities: string[];
  readonly passes: Pass[] = [];
  readonly said: string[] = [];
  readonly opened: string[][] = [];
  readonly controller = new AbortController();
  readonly health = { set: vi.fn<(changes: object) => void>() };
  tidied = 0;
  claimable: string[] = [];
  next: Record<string, Happening> = {};
  /** Awaited in every pass. */
  during: (stop: AbortSignal) => Promise<void> = async () => {};
  notify: () => void = () => {};
  readonly watch: Watch;
  readonly done: Promise<unknown>;

  constructor(entities: string[], changes: Partial<Watched> = {}, next: Stage['next'] = {}) {
    this.entities = entities;
    this.next = next;
    this.watch = new Watch({
      session: {
        database: {
          listen: async (_channel: string, onNotify: () => void) => {
            this.notify = onNotify;
            return { [Symbol.asyncDispose]: async () => {} };
          },
          query: async () => ({ rows: this.claimable.map((entity) => ({ tenant: '1', entity })) }),
        },
        tenants: ['1'],
        entities: entities.map((name) => ({ name })),
      } as unknown as Watched['session'],
      queuedOnly: false,
      retryFailed: false,
      stop: this.controller.signal,
      report: (event: RunEvent) => this.said.push('message' in event ? event.message : event.type),
      health: this.health as unknown as Watched['health'],
      tidy: async () => (this.tidied += 1),
      open: async (selected) => this.#open(selected.entities.map(({ name }) => name)),
      vectorize: async (targets, options) => this.#vectorize(targets, options),
      ...changes,
    });
    this.done = this.watch.run();
    this.done.catch(() => {});
  }

  async settled(): Promise<void> {
    await vi.advanceTimersByTimeAsync(200);
  }

  async sweep(): Promise<void> {
    await vi.advanceTimersByTimeAsync(SWEEP_MS);
    await this.settled();
  }

  async queued(...entities: string[]): Promise<void> {
    this.claimable = entities;
    this.notify();
    await this.settled();
  }

  async end(): Promise<unknown> {
    this.controller.abort();
    const result = await this.done;
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(this.controller.signal, 'abort')).toEqual([]);
    return result;
  }

  /** Everything said but that nothing is to be done. */
  get news(): string[] {
    return this.said.splice(0).filter((message) => message !== 'Waiting for work');
  }

  #open(names: string[]): OpenedTargets {
    this.opened.push(names);
    const opened: OpenedTargets = { targets: [], unopened: [] };
    for (const entity of names) {
      const error = this.next[entity]?.unopened;
      if (error) opened.unopened.push({ tenant: '1', entity, error });
      else {
        const generation = { collection: `c_${entity}`, number: 1 };
        opened.targets.push({ tenant: '1', entity, generation, counts: noCounts() } as unknown as Target);
      }
    }
    return opened;
  }

  async #vectorize(targets: readonly Target[], options: PassOptions): Promise<Failure[]> {
    this.passes.push({ targets: targets.map(({ entity }) => entity), options });
    await this.during(options.stop);
    const failures: Failure[] = [];
    let first: VecpipeError | undefined;
    for (const target of targets) {
      const { counts, error, failures: rows = [] } = this.next[target.entity] ?? {};
      Object.assign(target.counts, counts);
      if (error && targets.length > 1) failures.push(targetFailure(target, error));
      failures.push(...rows);
      first ??= error;
    }
    if (first) throw new VectorizeFailure(first, failures);
    return failures;
  }
}

describe('a watch', () => {
  test('compares at a sweep, and after a notification works on what is queued alone', async () => {
    const stage = new Stage(['projects', 'wits'], { retryFailed: true });
    await stage.settled();
    await stage.queued('wits');
    await stage.queued();
    await stage.sweep();
    expect(stage.passes.map(({ targets, options }) => [targets, options.queuedOnly])).toEqual([
      [['projects', 'wits'], false],
      [['wits'], true],
      [['projects', 'wits'], false],
    ]);
    // Opened anew each time, and only where something is to be done.
    expect(stage.opened).toEqual([['projects', 'wits'], ['wits'], ['projects', 'wits']]);
    // Rows that rest are given one more try, not one every half minute.
    expect(stage.passes.map(({ options }) => options.retryFailed)).toEqual([true, false, false]);
    expect(stage.tidied).toBe(2);
    await stage.end();
  });

  test('never compares with --queued-only', async () => {
    const stage = new Stage(['projects'], { queuedOnly: true });
    await stage.settled();
    await stage.sweep();
    expect(stage.passes.map(({ options }) => options.queuedOnly)).toEqual([true, true]);
    await stage.end();
  });

  test('adds up what was done, and gives what is left as it was last', async () => {
    const stage = new Stage(
      ['projects'],
      {},
      {
        projects: {
          counts: { inserted: 3, queued: 3, stored: 2, tokens: 10, credits: 5, failed: 1, pending: 1 },
          failures: [rowFailure('projects')],
        },
      },
    );
    await stage.settled();
    expect(stage.news).toEqual([
      'projects of tenant 1: 2 stored, 1 failed, 10 tokens, 5 credits (c_projects)',
    ]);
    expect(stage.watch.result.failures).toEqual([rowFailure('projects')]);
    stage.next = { projects: { counts: { unchanged: 2, failed: 1, pending: 1 } } };
    await stage.sweep();
    expect(stage.news).toEqual([]);
    stage.next = { projects: { counts: { stored: 1, tokens: 4 } } };
    await stage.queued('projects');
    expect(await stage.end()).toMatchObject({
      entities: [
        {
          tenant: '1',
          entity: 'projects',
          collection: 'c_projects',
          generation: 1,
          inserted: 3,
          queued: 3,
          stored: 3,
          tokens: 14,
          credits: 5,
          unchanged: 2,
          failed: 0,
          pending: 0,
        },
      ],
      failures: [],
    });
  });

  test('reports what is wrong with a target once, and when it is over', async () => {
    const stage = new Stage(['projects', 'wits'], {}, { wits: { error: down() } });
    await stage.settled();
    const warning = 'wits of tenant 1: the provider does not answer (provider_unavailable)';
    expect(stage.news).toEqual([warning]);
    expect(stage.health.set).toHaveBeenLastCalledWith({ state: 'waiting' });
    expect(stage.health.set).toHaveBeenCalledWith({
      lastPassAt: expect.any(String) as string,
      lastError: warning,
    });
    for (let count = 0; count < 5; count += 1) await stage.sweep();
    expect(stage.news).toEqual([]);
    // One refusal for another, and back: nothing new.
    for (const code of ['provider_down', 'provider_unavailable', 'provider_down']) {
      stage.next = { wits: { unopened: unavailableError(code, 'it is said to be down') } };
      await stage.sweep();
    }
    expect(stage.news).toEqual(['wits of tenant 1: it is said to be down (provider_down)']);
    stage.next = {};
    await stage.sweep();
    expect(stage.news).toEqual(['wits of tenant 1 can be worked on again']);
    expect(stage.health.set).toHaveBeenLastCalledWith({ state: 'idle' });
    stage.next = { wits: { error: down() } };
    await stage.sweep();
    expect(stage.news).toEqual([warning]);
    expect(await stage.end()).toMatchObject({
      failures: [{ entity: 'wits', key: '*', code: 'provider_unavailable' }],
    });
  });

  test('leaves what failed alone until the next sweep, however much is notified', async () => {
    const stage = new Stage(['projects', 'wits'], {}, { wits: { error: down() } });
    await stage.settled();
    for (let count = 0; count < 5; count += 1) await stage.queued('wits', 'projects');
    await stage.queued('wits');
    expect(stage.passes.map(({ targets }) => targets)).toEqual([
      ['projects', 'wits'],
      ...Array.from({ length: 5 }, () => ['projects']),
    ]);
    await stage.sweep();
    expect(stage.passes.at(-1)?.targets).toEqual(['projects', 'wits']);
    await stage.end();
  });

  test('knows what is wrong with the only target, too, and that out of credits is no end', async () => {
    const broke = new VecpipeError('credits', 'tenant 1 has no credits left', { code: 'out_of_credits' });
    const stage = new Stage(['projects'], {}, { projects: { error: broke } });
    await stage.settled();
    expect(stage.news).toEqual(['projects of tenant 1: tenant 1 has no credits left (out_of_credits)']);
    stage.next = {};
    await stage.sweep();
    expect(stage.news).toEqual(['projects of tenant 1 can be worked on again']);
    await stage.end();
  });

  test('compares where something is wrong, since it may be over', async () => {
    const guarded: Failure = { ...rowFailure('projects'), key: '*', code: 'delete_guard', message: 'm' };
    const stage = new Stage(['projects', 'wits'], {}, { projects: { failures: [guarded] } });
    await stage.settled();
    expect(stage.news).toEqual(['projects of tenant 1: m (delete_guard)']);
    stage.next = {};
    await stage.queued('wits');
    expect(stage.news).toEqual([]);
    await stage.queued('projects');
    expect(stage.news).toEqual(['projects of tenant 1 can be worked on again']);
    await stage.queued('projects');
    expect(stage.passes.map(({ options }) => options.queuedOnly)).toEqual([false, true, false, true]);
    await stage.end();
  });

  test.each(['database_connection_lost', 'store_unreachable'])('ends with %s', async (code) => {
    const outage = unavailableError(code, 'away');
    for (const happening of [{ error: outage }, { unopened: outage }]) {
      const stage = new Stage(['projects'], {}, {});
      await stage.settled();
      stage.next = { projects: happening };
      await stage.sweep();
      await expect(stage.done).rejects.toBe(outage);
    }
    // Where another target failed first and otherwise.
    const stage = new Stage(
      ['projects', 'wits'],
      {},
      { projects: { error: down() }, wits: { error: outage } },
    );
    await stage.settled();
    await expect(stage.done).rejects.toMatchObject({ family: 'unavailable', code });
    expect(stage.watch.result.entities).toHaveLength(2);
  });

  test('ends with a usage error that leaves nothing to work on at its first pass, and not later', async () => {
    const wrong = usageError('column_missing', 'there is no such column');
    const failing = new Stage(
      ['projects', 'wits'],
      {},
      { projects: { unopened: wrong }, wits: { error: wrong } },
    );
    await failing.settled();
    await expect(failing.done).rejects.toBe(wrong);

    const partly = new Stage(['projects', 'wits'], {}, { projects: { unopened: wrong } });
    await partly.settled();
    expect(partly.news).toEqual(['projects of tenant 1: there is no such column (column_missing)']);
    partly.next = { projects: { unopened: wrong }, wits: { unopened: wrong } };
    await partly.sweep();
    expect(partly.news).toEqual(['wits of tenant 1: there is no such column (column_missing)']);
    await partly.end();
  });

  test('ends with what is no known error', async () => {
    const bug = new TypeError('no');
    const stage = new Stage(['projects']);
    stage.during = () => Promise.reject(bug);
    await stage.sweep();
    await expect(stage.done).rejects.toBe(bug);
  });

  test('a pass that has no end is cut short, and the tables are compared', async () => {
    const stage = new Stage(['projects']);
    await stage.settled();
    stage.during = (stop) => new Promise((resolve) => stop.addEventListener('abort', () => resolve()));
    await stage.queued('projects');
    stage.during = async () => {};
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(stage.passes.slice(0, 3).map(({ options }) => options.queuedOnly)).toEqual([false, true, false]);
    await stage.end();
  });

  test('a stop during a pass reaches it, and what it did counts, but blames nothing', async () => {
    const stage = new Stage(
      ['projects'],
      {},
      { projects: { counts: { stored: 2 }, error: unavailableError('database_connection_lost', 'stopped') } },
    );
    stage.during = (stop) => new Promise((resolve) => stop.addEventListener('abort', () => resolve()));
    await stage.settled();
    expect(await stage.end()).toMatchObject({ entities: [{ stored: 2 }], failures: [] });
  });

  test('nothing grows with the passes', async () => {
    const stage = new Stage(['projects'], {}, { projects: { failures: [rowFailure('projects')] } });
    await stage.settled();
    const timers = vi.getTimerCount();
    for (let count = 0; count < 400; count += 1) {
      await (count % 4 === 0 ? stage.sweep() : stage.queued('projects'));
    }
    expect(stage.passes.length).toBeGreaterThanOrEqual(400);
    expect(vi.getTimerCount()).toBe(timers);
    expect(getEventListeners(stage.controller.signal, 'abort')).toHaveLength(1);
    expect(stage.watch.result).toMatchObject({ entities: [{}], failures: [{}] });
    await stage.end();
  });
});
