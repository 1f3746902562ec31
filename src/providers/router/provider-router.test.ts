import { describe, expect, test } from 'vitest';
import { FakeProvider, fakeVector } from '../../../test/helpers/fake-provider.ts';
import { localConfig } from '../../../test/helpers/provider-configs.ts';
import type { ProviderConfig } from '../../config/provider-config.ts';
import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import type { RunEvent } from '../../ports/run-events.ts';
import { ProviderRouter } from './provider-router.ts';

const DOWN = unavailableError('provider_unreachable', 'the gateway does not answer');
const ROUTE = { provider: 'cloud', fallback: 'local' };

class Setting {
  readonly opened: string[] = [];
  readonly events: RunEvent[] = [];
  readonly fakes = new Map<string, FakeProvider>([
    ['cloud', new FakeProvider()],
    ['local', new FakeProvider()],
    ['other', new FakeProvider({ modelId: 'other' })],
  ]);
  openError: unknown;

  get warnings(): string[] {
    return this.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  }

  fake(name: string): FakeProvider {
    const fake = this.fakes.get(name);
    if (!fake) throw new Error(`no fake ${name}`);
    return fake;
  }

  router(): ProviderRouter {
    const names = [...this.fakes.keys()];
    return new ProviderRouter({
      providers: new Map(
        names.map((name) => [
          name,
          localConfig({ name, model: name, pricePerMillionTokens: name === 'cloud' ? 2e6 : 5e5 }),
        ]),
      ),
      report: (event) => void this.events.push(event),
      open: (config) => this.#open(config),
    });
  }

  async #open({ name }: ProviderConfig): Promise<FakeProvider> {
    this.opened.push(name);
    if (this.openError !== undefined) throw this.openError;
    return this.fake(name);
  }
}

describe('a route', () => {
  test('is opened once for all who ask, its fallback not before it is needed', async () => {
    const setting = new Setting();
    await using router = setting.router();
    const [one, other] = await Promise.all([router.route(ROUTE), router.route({ ...ROUTE })]);
    expect(other).toBe(one);
    expect(await one.embed(['a'])).toMatchObject({ vectors: [fakeVector('a')], tokens: 1, cost: 2 });
    expect(setting.opened).toEqual(['cloud']);
    await router.route({ provider: 'cloud', fallback: null });
    expect(setting.opened).toEqual(['cloud']);
  });

  test('that could not be opened can be asked for again', async () => {
    const setting = new Setting();
    await using router = setting.router();
    setting.openError = DOWN;
    await expect(router.route(ROUTE)).rejects.toBe(DOWN);
    setting.openError = undefined;
    expect((await router.route(ROUTE)).modelId).toBe('fake/model');
  });

  test('says of itself what its provider says', async () => {
    const setting = new Setting();
    setting.fake('cloud').variant = 'prefix "x"';
    await using router = setting.router();
    const route = await router.route(ROUTE);
    const { kind, modelId, variant, dimensions, maxBatchSize, maxInputTokens } = setting.fake('cloud');
    expect(route).toMatchObject({ kind, modelId, variant, dimensions, maxBatchSize, maxInputTokens });
    expect(route).toMatchObject({ isPriced: true, pricePerMillionTokens: 2e6 });
  });
});

describe('a fallback', () => {
  test('serves what the provider cannot, is counted and paid by its own price, and said once', async () => {
    const setting = new Setting();
    await using router = setting.router();
    const route = await router.route(ROUTE);
    setting.fake('cloud').before = () => Promise.reject(DOWN);
    for (let call = 0; call < 2; call += 1) {
      expect(await route.embed(['a', 'b'])).toMatchObject({
        vectors: [fakeVector('a'), fakeVector('b')],
        cost: 1,
        byFallback: true,
      });
    }
    expect(setting.warnings).toEqual([
      'provider local steps in for cloud, which is unavailable: the gateway does not answer',
    ]);
  });

  test('is called in slices of its own size', async () => {
    const setting = new Setting();
    setting.fakes.set('local', new FakeProvider({ maxBatchSize: 2 }));
    setting.fake('cloud').before = () => Promise.reject(DOWN);
    await using router = setting.router();
    const texts = ['a', 'b', 'c', 'd', 'e'];
    const { vectors, tokens } = await (await router.route(ROUTE)).embed(texts);
    expect(setting.fake('local').calls).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(vectors).toEqual(texts.map((text) => fakeVector(text)));
    expect(tokens).toBe(5);
  });

  test.each([
    ['a wrong config', usageError('wrong', 'wrong')],
    ['an abort', new DOMException('aborted', 'AbortError')],
    ['a bug', new TypeError('x is not a function')],
  ])('does not step in for %s', async (_name, error) => {
    const setting = new Setting();
    await using router = setting.router();
    setting.fake('cloud').before = () => Promise.reject(error);
    await expect((await router.route(ROUTE)).embed(['a'])).rejects.toBe(error);
    expect(setting.opened).toEqual(['cloud']);
  });

  test('that cannot help is a warning, and the first error stays the error', async () => {
    const setting = new Setting();
    await using router = setting.router();
    const route = await router.route(ROUTE);
    setting.fake('cloud').before = () => Promise.reject(DOWN);
    setting.fake('local').before = () => Promise.reject(unavailableError('crashed', 'its worker ended'));
    await expect(route.embed(['a'])).rejects.toBe(DOWN);
    setting.fake('local').before = undefined;
    setting.fake('local').refused.set('b', { code: 'text_too_long', reason: 'too long' });
    await expect(route.embed(['b'])).rejects.toBe(DOWN);
    expect(setting.warnings).toEqual([
      'provider local cannot step in for cloud: its worker ended',
      'provider local cannot step in for cloud: it refuses a text that cloud may take',
    ]);
  });

  test('of another model is refused, whatever the config said of it', async () => {
    const setting = new Setting();
    await using router = setting.router();
    const route = await router.route({ provider: 'cloud', fallback: 'other' });
    setting.fake('cloud').before = () => Promise.reject(DOWN);
    await expect(route.embed(['a'])).rejects.toBe(DOWN);
    expect(setting.fake('other').calls).toEqual([]);
    expect(setting.warnings).toEqual([
      'provider other cannot step in for cloud: the fallback other serves other of width 8, but cloud serves fake/model of width 8',
    ]);
  });

  test('takes over at once while the circuit of the provider is open, for every route to it', async () => {
    const setting = new Setting();
    await using router = setting.router();
    const route = await router.route(ROUTE);
    const bare = await router.route({ provider: 'cloud', fallback: null });
    setting.fake('cloud').before = () => Promise.reject(DOWN);
    for (let call = 0; call < 5; call += 1) await route.embed([`${call}`]);
    expect(setting.fake('cloud').calls).toHaveLength(3);
    const error: unknown = await bare.embed(['x']).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_down' });
    expect((error as VecpipeError).message).toContain('the gateway does not answer');
    expect(setting.fake('cloud').calls).toHaveLength(3);
  });
});

describe('disposal', () => {
  test('closes every provider, fallbacks included; one that fails is a warning', async () => {
    const setting = new Setting();
    {
      await using router = setting.router();
      const route = await router.route(ROUTE);
      await router.route({ provider: 'other', fallback: null });
      setting.fake('cloud').before = () => Promise.reject(DOWN);
      await route.embed(['a']);
      setting.fake('cloud')[Symbol.asyncDispose] = () => Promise.reject(new Error('socket stuck'));
    }
    expect(setting.fake('local').closed).toBe(1);
    expect(setting.fake('other').closed).toBe(1);
    expect(setting.warnings.at(-1)).toBe('closing provider cloud failed: socket stuck');
  });
});
