import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeProvider } from '../../../test/helpers/fake-provider.ts';
import { localConfig } from '../../../test/helpers/provider-configs.ts';
import { unavailableError } from '../../errors/vecpipe-error.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { ProviderRouter } from './provider-router.ts';

const DOWN = unavailableError('provider_unavailable', 'provider cloud did not answer: 503');
const ALONE = { provider: 'cloud', fallback: null };

let notices: string[];
let fakes: Map<string, FakeProvider>;
let router: ProviderRouter;

beforeEach(() => {
  vi.useFakeTimers();
  notices = [];
  fakes = new Map([
    ['cloud', new FakeProvider()],
    ['local', new FakeProvider()],
  ]);
  router = new ProviderRouter({
    providers: new Map([...fakes.keys()].map((name) => [name, localConfig({ name, model: name })])),
    report: () => {},
    wait: {
      maxOutageMs: 60_000,
      giveUp: new AbortController().signal,
      notify: (message) => notices.push(message),
    },
    open: async ({ name }) => fake(name),
  });
});
afterEach(async () => {
  await router[Symbol.asyncDispose]();
  vi.useRealTimers();
});

function fake(name: string): FakeProvider {
  const provider = fakes.get(name);
  if (!provider) throw new Error(`there is no provider ${name}`);
  return provider;
}

/** From now on, for so long. */
function fail(name: string, error: VecpipeError, forMs = Infinity): void {
  const from = performance.now();
  fake(name).before = () => {
    if (performance.now() - from < forMs) throw error;
  };
}

test('a provider that has answered is waited for, also by calls that its open circuit refuses', async () => {
  const route = await router.route(ALONE);
  await route.embed(['a']);
  fail('cloud', DOWN, 20_000);
  const answers = Promise.all(['b', 'c', 'd', 'e'].map((text) => route.embed([text])));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(notices).toEqual(['Provider cloud did not answer: 503; trying again for up to 60 s']);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await answers).toHaveLength(4);
  expect(notices[1]).toMatch(/^Provider cloud is back after 2\d s$/);
});

test('one that never answered fails at once', async () => {
  const route = await router.route(ALONE);
  fail('cloud', DOWN);
  await expect(route.embed(['a'])).rejects.toBe(DOWN);
  expect(fake('cloud').calls).toHaveLength(1);
});

test('what waiting does not change fails at once, also once its circuit is open', async () => {
  const route = await router.route(ALONE);
  await route.embed(['a']);
  const auth = unavailableError('provider_auth', 'provider cloud does not accept the key');
  fail('cloud', auth);
  for (let call = 0; call < 3; call += 1) await expect(route.embed(['b'])).rejects.toBe(auth);
  await expect(route.embed(['b'])).rejects.toMatchObject({ code: 'provider_down', cause: auth });
  expect(notices).toEqual([]);
});

test('a fallback steps in first, and only when it cannot either are both waited for', async () => {
  const route = await router.route({ ...ALONE, fallback: 'local' });
  await route.embed(['a']);
  fail('cloud', DOWN, 10_000);
  expect(await route.embed(['b'])).toMatchObject({ byFallback: true });
  fail('local', DOWN);
  const answer = route.embed(['c']);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await answer).not.toHaveProperty('byFallback');
});
