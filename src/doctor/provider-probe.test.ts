import { describe, expect, test, vi } from 'vitest';
import { FakeProvider } from '../../test/helpers/fake-provider.ts';
import { gatewayConfig, localConfig, staticConfig } from '../../test/helpers/provider-configs.ts';
import type { LocalProviderConfig, ProviderConfig } from '../config/provider-config.ts';
import { READY_MADE_ENTITIES } from '../entities/ready-made.ts';
import { unavailableError, usageError } from '../errors/vecpipe-error.ts';
import { checkFallback } from './fallback-agreement.ts';
import { providerPlace } from './provider-place.ts';
import { probeProvider } from './provider-probe.ts';
import type { OpenProvider } from './provider-probe.ts';

const STATIC = staticConfig();
const GATEWAY = gatewayConfig({
  name: 'gate',
  baseURL: 'https://app:hunter2@gate.example:8443/v1?key=hunter2',
  apiKey: 'sk-4711-secret',
  apiKeyEnv: 'GATE_KEY',
  dimensions: 8,
});
const LOCAL = localConfig({ name: 'here', model: 'Xenova/small' });

const [entity] = READY_MADE_ENTITIES;
if (entity === undefined) throw new Error('there are ready-made entities');

function opening(provider: FakeProvider): { open: OpenProvider; opened: ProviderConfig[] } {
  const opened: ProviderConfig[] = [];
  return {
    opened,
    open: async (config) => {
      opened.push(config);
      return { provider, [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose]() };
    },
  };
}

const probe = (config: ProviderConfig, open: OpenProvider, signal?: AbortSignal) =>
  probeProvider(config, { open, place: 'the place', entities: [entity], ...(signal && { signal }) });

describe('a provider', () => {
  test('that answers is opened once, asked for one text, and closed', async () => {
    const provider = new FakeProvider({ modelId: 'fake/one' });
    const { open, opened } = opening(provider);
    const { finding, probed } = await probe(STATIC, open);
    expect(finding).toEqual({
      status: 'ok',
      found: expect.stringMatching(
        /^the place: fake\/one, 8 dimensions, unit length; opened in .* ms, one text of 9 tokens in .* ms$/,
      ) as string,
      fix: null,
    });
    expect({ opened: opened.length, texts: provider.texts.length, closed: provider.closed }).toEqual({
      opened: 1,
      texts: 1,
      closed: 1,
    });
    expect(probed).toMatchObject({ modelId: 'fake/one', dimensions: 8 });
    expect(probed?.settings.get(entity.name)).toMatchObject({ dimensions: 8, model: 'fake/one' });
  });

  test.each<[string, (provider: FakeProvider) => void, RegExp]>([
    [
      'of another length',
      (provider) => {
        provider.spoil = (result) => ({ ...result, vectors: [new Float32Array(8).fill(0.5)] });
      },
      /the length 1\.414 and not 1/,
    ],
    [
      'of another width than it says',
      (provider) => {
        provider.spoil = (result) => ({ ...result, vectors: [new Float32Array(2).fill(0.5)] });
      },
      /width 2 instead of 8/,
    ],
    [
      'that is not finite',
      (provider) => {
        provider.spoil = (result) => ({ ...result, vectors: [new Float32Array(8).fill(Number.NaN)] });
      },
      /not finite \(vector_not_finite\)/,
    ],
    [
      'that never comes',
      (provider) => {
        provider.before = () => {
          throw unavailableError('provider_unavailable', 'gate answers 503', 'wait');
        };
      },
      /gate answers 503/,
    ],
  ])('with a vector %s fails, and is closed', async (_name, spoil, found) => {
    const provider = new FakeProvider();
    spoil(provider);
    const { finding, probed } = await probe(STATIC, opening(provider).open);
    expect(finding).toMatchObject({ status: 'fail', fix: expect.any(String) as string });
    expect(finding.found).toMatch(found);
    expect({ probed, closed: provider.closed }).toEqual({ probed: null, closed: 1 });
  });

  test('with a bug is told with its place and the message', async () => {
    const provider = new FakeProvider();
    provider.before = () => {
      throw new TypeError('x is undefined');
    };
    const { finding } = await probe(STATIC, opening(provider).open);
    expect(finding).toMatchObject({
      status: 'fail',
      found: 'the place: this check has a bug: x is undefined',
    });
  });

  test('of another width than the config says fails', async () => {
    const { finding } = await probe(GATEWAY, opening(new FakeProvider({ dimensions: 4 })).open);
    expect(finding).toMatchObject({ status: 'fail', fix: 'correct providers.gate.dimensions' });
  });

  test('that is given up throws the reason of the signal', async () => {
    const controller = new AbortController();
    const provider = new FakeProvider();
    const reason = new Error('stopped');
    provider.before = () => {
      controller.abort(reason);
      throw new Error('cut off');
    };
    await expect(probe(STATIC, opening(provider).open, controller.signal)).rejects.toBe(reason);
    expect(provider.closed).toBe(1);
  });

  test('over the network is not waited for as long as in a run', async () => {
    const { open, opened } = opening(new FakeProvider());
    await probe(GATEWAY, open);
    expect(opened).toMatchObject([{ retryMs: 5_000 }]);
  });
});

describe('a model of this machine', () => {
  const missing = async (config: LocalProviderConfig, code = 'model_unavailable') => {
    const open = vi.fn<OpenProvider>(async () => {
      throw usageError(code, 'it is not here', 'get it');
    });
    const { finding } = await probe(config, open);
    return { finding, opened: open.mock.calls[0]?.[0] };
  };

  test('that is not there yet is a warning, and is not downloaded', async () => {
    const { finding, opened } = await missing(LOCAL);
    expect(opened).toMatchObject({ isOffline: true });
    expect(finding).toMatchObject({
      status: 'warn',
      fix: expect.stringContaining('vecpipe vectorize') as string,
    });
  });

  test.each([
    ['and must not be downloaded', { isOffline: true }, 'model_unavailable'],
    ['and is a folder', { modelFrom: 'folder' }, 'model_not_found'],
    ['for another reason', {}, 'model_invalid'],
  ] as const)('that cannot be opened %s fails', async (_name, changes, code) => {
    const { finding } = await missing({ ...LOCAL, ...changes }, code);
    expect(finding).toEqual({ status: 'fail', found: 'it is not here', fix: 'get it' });
  });
});

describe('where a provider is', () => {
  test('is told without secrets', () => {
    expect(providerPlace(STATIC, '/srv')).toBe('static model that ships with vecpipe');
    expect(providerPlace({ ...STATIC, model: '/srv/mine' }, '/srv')).toBe('static model in mine');
    expect(providerPlace(GATEWAY, '/srv')).toBe(
      'gateway https://gate.example:8443/v1, with the key from GATE_KEY, asked for base64',
    );
    expect(providerPlace({ ...GATEWAY, apiKey: null }, '/srv')).toContain(
      'without a key since GATE_KEY is not set',
    );
    expect(providerPlace({ ...LOCAL, isOffline: true }, '/srv')).toBe(
      'local model Xenova/small (q8, offline)',
    );
    expect(providerPlace({ ...LOCAL, modelFrom: 'folder', model: '/srv/m' }, '/srv')).toBe(
      'local model in m (q8)',
    );
  });
});

describe('a fallback', () => {
  const probed = (vector: number[], modelId = 'm') => ({
    modelId,
    dimensions: vector.length,
    vector: Float32Array.from(vector),
    settings: new Map(),
  });
  const compare = (a: ReturnType<typeof probed>, b: ReturnType<typeof probed>) =>
    checkFallback({ name: 'gate', probed: a }, { name: 'here', probed: b });

  test.each([
    [[0.6, 0.8], 'ok', 'cosine 1.0000'],
    // 0.9273 is the angle of the first vector; an angle of 0.2 lies between them at the most.
    [[Math.cos(0.9273 - 0.19), Math.sin(0.9273 - 0.19)], 'ok', 'cosine 0.982'],
    [[Math.cos(0.9273 - 0.21), Math.sin(0.9273 - 0.21)], 'fail', 'cosine 0.978'],
    [[-0.6, -0.8], 'fail', 'cosine -1.0000'],
    [[0, 0], 'fail', 'cosine NaN'],
  ])('with the vector %j is %s', (vector, status, found) => {
    const finding = compare(probed([0.6, 0.8]), probed(vector));
    expect(finding.status).toBe(status);
    expect(finding.found).toContain(found);
  });

  test('of another model or width is refused as a run refuses it', () => {
    const mismatch = expect.objectContaining({ code: 'fallback_mismatch' }) as Error;
    expect(() => compare(probed([1, 0]), probed([1, 0], 'other'))).toThrow(mismatch);
    expect(() => compare(probed([1, 0]), probed([1, 0, 0]))).toThrow(mismatch);
  });
});
