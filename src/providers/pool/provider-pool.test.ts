import { describe, expect, test } from 'vitest';
import { FakeProvider } from '../../../test/helpers/fake-provider.ts';
import { Gate } from '../../../test/helpers/gate.ts';
import { localConfig } from '../../../test/helpers/provider-configs.ts';
import type { ProviderConfig } from '../../config/provider-config.ts';
import type { OpenProviderOptions } from '../../ports/embedding-provider.ts';
import type { RunEvent } from '../../ports/run-events.ts';
import { EmbeddingProviderPool } from './provider-pool.ts';

const config = (model: string, name = model) => localConfig({ name, model });

/** Opens fakes, and knows which are open. */
class Models {
  readonly opened: string[] = [];
  readonly open = new Set<string>();
  readonly events: RunEvent[] = [];
  before: ((model: string, options: OpenProviderOptions) => unknown) | undefined;
  beforeClose: ((model: string) => unknown) | undefined;

  pool(maxModels: number): EmbeddingProviderPool {
    return new EmbeddingProviderPool({
      maxModels,
      report: (event) => void this.events.push(event),
      open: (wanted, options) => this.#open(wanted, options),
    });
  }

  async #open(wanted: ProviderConfig, options: OpenProviderOptions): Promise<FakeProvider> {
    const model = wanted.model ?? '';
    this.opened.push(model);
    await this.before?.(model, options);
    options.signal?.throwIfAborted();
    this.open.add(model);
    const provider = new FakeProvider({ modelId: model });
    provider[Symbol.asyncDispose] = async () => {
      await this.beforeClose?.(model);
      this.open.delete(model);
    };
    return provider;
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a pool', () => {
  test('shares one model among all who ask for it, whatever they call it and pay for it', async () => {
    const models = new Models();
    await using pool = models.pool(2);
    await using one = await pool.acquire(config('a'));
    await using other = await pool.acquire({
      ...config('a', 'another name'),
      pricePerMillionTokens: 3,
      creditsPerMillionTokens: 4,
    });
    expect(other.provider).toBe(one.provider);
    expect(models.opened).toEqual(['a']);
  });

  test('keeps a model open for the next, until it is disposed', async () => {
    const models = new Models();
    {
      await using pool = models.pool(2);
      for (let use = 0; use < 3; use += 1) {
        await using lease = await pool.acquire(config('a'));
        expect(lease.provider.modelId).toBe('a');
      }
      expect(models.opened).toEqual(['a']);
      expect([...models.open]).toEqual(['a']);
    }
    expect([...models.open]).toEqual([]);
  });

  test('closes the least recently used when it is full, before it opens another', async () => {
    const models = new Models();
    await using pool = models.pool(2);
    for (const model of ['a', 'b', 'a']) await (await pool.acquire(config(model)))[Symbol.asyncDispose]();
    models.before = () => expect([...models.open]).toEqual(['a']);
    await using _lease = await pool.acquire(config('c'));
    expect([...models.open]).toEqual(['a', 'c']);
    expect(pool.size).toBe(2);
  });

  test('never closes one in use: the caller waits until one is given back', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    const first = await pool.acquire(config('a'));
    const second = pool.acquire(config('b'));
    await turn();
    expect([...models.open]).toEqual(['a']);
    await first[Symbol.asyncDispose]();
    await using lease = await second;
    expect(lease.provider.modelId).toBe('b');
    expect([...models.open]).toEqual(['b']);
  });

  test('ends the wait of a caller that gives up, and nothing else', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    await using first = await pool.acquire(config('a'));
    const controller = new AbortController();
    const waiting = pool.acquire(config('b'), { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(first.provider.modelId).toBe('a');
    expect(pool.size).toBe(1);
  });

  test('counts a lease that is disposed twice once', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    const once = await pool.acquire(config('a'));
    await using _again = await pool.acquire(config('a'));
    await once[Symbol.asyncDispose]();
    await once[Symbol.asyncDispose]();
    const controller = new AbortController();
    const other = pool.acquire(config('b'), { signal: controller.signal });
    await turn();
    expect([...models.open]).toEqual(['a']);
    controller.abort(new Error('enough'));
    await expect(other).rejects.toThrow('enough');
  });
});

describe('a load', () => {
  test('is shared by concurrent callers', async () => {
    const models = new Models();
    await using pool = models.pool(4);
    const leases = await Promise.all(Array.from({ length: 20 }, () => pool.acquire(config('a'))));
    expect(models.opened).toEqual(['a']);
    expect(new Set(leases.map((lease) => lease.provider)).size).toBe(1);
  });

  test('that fails fails for all its callers, leaves nothing behind and can be tried again', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    models.before = () => Promise.reject(new Error('no such model'));
    const outcomes = await Promise.allSettled([pool.acquire(config('a')), pool.acquire(config('a'))]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(models.opened).toEqual(['a']);
    expect(pool.size).toBe(0);
    models.before = undefined;
    await using lease = await pool.acquire(config('a'));
    expect(lease.provider.modelId).toBe('a');
  });

  test('goes on while one caller is left, and is aborted when none is', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    const gate = new Gate();
    let loadSignal: AbortSignal | undefined;
    models.before = async (_model, { signal }) => {
      loadSignal = signal;
      await gate.pass();
    };
    const [one, other] = [new AbortController(), new AbortController()];
    const first = pool.acquire(config('a'), { signal: one.signal });
    const second = pool.acquire(config('a'), { signal: other.signal });
    await gate.waiting();
    one.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    expect(loadSignal?.aborted).toBe(false);
    other.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    expect(loadSignal?.aborted).toBe(true);
    gate.open();
    models.before = undefined;
    await using lease = await pool.acquire(config('a'));
    expect(lease.provider.modelId).toBe('a');
    expect(models.opened).toEqual(['a', 'a']);
  });

  test('that ends after everybody has given up is closed', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    const gate = new Gate();
    // An opener that does not look at its signal.
    models.before = async (_model, options) => {
      await gate.pass();
      delete options.signal;
    };
    const controller = new AbortController();
    const acquiring = pool.acquire(config('a'), { signal: controller.signal });
    await gate.waiting();
    controller.abort(new Error('enough'));
    await expect(acquiring).rejects.toThrow('enough');
    gate.open();
    await using lease = await pool.acquire(config('b'));
    expect(lease.provider.modelId).toBe('b');
    expect([...models.open]).toEqual(['b']);
  });
});

describe('disposal', () => {
  test('closes all, in use or being opened, once, and lets nobody in any more', async () => {
    const models = new Models();
    const pool = models.pool(3);
    await pool.acquire(config('a'));
    const gate = new Gate();
    models.before = () => gate.pass();
    const opening = pool.acquire(config('b'));
    await gate.waiting();
    const disposals = Promise.all([pool[Symbol.asyncDispose](), pool[Symbol.asyncDispose]()]);
    gate.open();
    await expect(opening).rejects.toThrow();
    await disposals;
    expect([...models.open]).toEqual([]);
    await expect(pool.acquire(config('a'))).rejects.toThrow('disposed');
  });

  test('turns a cleanup that fails into a warning, and goes on with the others', async () => {
    const models = new Models();
    {
      await using pool = models.pool(3);
      for (const model of ['a', 'b', 'c']) await pool.acquire(config(model));
      models.beforeClose = (model) => {
        if (model === 'b') throw new Error('stuck');
      };
    }
    expect([...models.open]).toEqual(['b']);
    expect(models.events).toEqual([{ type: 'warning', message: 'closing provider b failed: stuck' }]);
  });

  test('does not hide the error that ended the scope', async () => {
    const models = new Models();
    models.beforeClose = () => {
      throw new Error('stuck');
    };
    const work = async () => {
      await using pool = models.pool(1);
      await using lease = await pool.acquire(config('a'));
      throw new Error(`first, over ${lease.provider.modelId}`);
    };
    await expect(work()).rejects.toThrow('first, over a');
  });

  test('frees its place also when the model that was evicted cannot be closed', async () => {
    const models = new Models();
    await using pool = models.pool(1);
    await (await pool.acquire(config('a')))[Symbol.asyncDispose]();
    models.beforeClose = () => {
      throw new Error('stuck');
    };
    await using lease = await pool.acquire(config('b'));
    expect(lease.provider.modelId).toBe('b');
  });
});

test('ten thousand open, use and close cycles leave nothing open and no event', async () => {
  const models = new Models();
  await using pool = models.pool(2);
  await Promise.all(
    Array.from({ length: 4 }, async (_, worker) => {
      for (let cycle = 0; cycle < 2500; cycle += 1) {
        await using lease = await pool.acquire(config(`m${(cycle * 7 + worker) % 5}`));
        await lease.provider.embed(['x']);
      }
    }),
  );
  expect(models.open.size).toBeLessThanOrEqual(2);
  expect(pool.size).toBeLessThanOrEqual(2);
  expect(models.events).toEqual([]);
});
