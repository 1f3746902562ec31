import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { GatewayProviderConfig } from '../../src/config/provider-config.ts';
import { VecpipeError } from '../../src/errors/vecpipe-error.ts';
import type { EmbeddingProvider, EmbedResult } from '../../src/ports/embedding-provider.ts';
import type { RunEvent } from '../../src/ports/run-events.ts';
import { systemClock } from '../../src/providers/gateway/clock.ts';
import type { Clock } from '../../src/providers/gateway/clock.ts';
import { openGatewayProvider } from '../../src/providers/gateway/gateway-provider.ts';
import { gatewayTokens, openGatewayServer, unitGatewayVector } from '../helpers/gateway-server.ts';
import type { Behaviour, GatewayServer, GatewayServerOptions } from '../helpers/gateway-server.ts';
import { gatewayConfig } from '../helpers/provider-configs.ts';

const KEY = 'sk-test-0123456789abcdef';

/** Real time, but what lasts seconds is over in hundredths of them; requests keep their own pace. */
function hurriedClock(speed = 100): Clock {
  const startMs = systemClock.now();
  return {
    now: () => startMs + (systemClock.now() - startMs) * speed,
    epoch: () => systemClock.epoch(),
    after: (delayMs, callback) => systemClock.after(delayMs / speed, callback),
    random: () => 0.5,
  };
}

function configFor(
  server: GatewayServer,
  changes: Partial<GatewayProviderConfig> = {},
): GatewayProviderConfig {
  return gatewayConfig({
    name: 'cloud',
    baseURL: server.url,
    apiKeyEnv: 'GATEWAY_KEY',
    model: 'test-model',
    dimensions: 8,
    maxConcurrency: 16,
    timeoutMs: 1_000_000,
    retryMs: 60_000,
    ...changes,
  });
}

interface Setting extends AsyncDisposable {
  server: GatewayServer;
  provider: EmbeddingProvider;
  events: RunEvent[];
}

async function open(
  serverOptions: GatewayServerOptions = {},
  changes: Partial<GatewayProviderConfig> = {},
  clock: Clock = hurriedClock(),
): Promise<Setting> {
  const server = await openGatewayServer(serverOptions);
  const events: RunEvent[] = [];
  try {
    const report = (event: RunEvent) => void events.push(event);
    const provider = await openGatewayProvider(configFor(server, changes), { report }, { clock });
    return {
      server,
      provider,
      events,
      async [Symbol.asyncDispose]() {
        await provider[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

const textsOf = (count: number) => Array.from({ length: count }, (_each, index) => `text number ${index}`);

function expectRightVectors(result: EmbedResult, texts: readonly string[], dimensions = 8): void {
  expect(result.vectors).toHaveLength(texts.length);
  for (const [index, vector] of result.vectors.entries()) {
    const expected = unitGatewayVector(texts[index] ?? '', dimensions);
    if (!(vector instanceof Float32Array))
      throw new Error(`no vector for text ${index}: ${JSON.stringify(vector)}`);
    expect(vector).toHaveLength(dimensions);
    for (let at = 0; at < dimensions; at += 1) expect(vector[at]).toBeCloseTo(expected[at] ?? 0, 5);
  }
}

/** Each text once, and none more often. */
function expectPaidOnce(server: GatewayServer, texts: readonly string[]): void {
  expect(texts.filter((text) => server.paid.get(text) !== 1)).toEqual([]);
}

async function failureOf(work: Promise<unknown>): Promise<VecpipeError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof VecpipeError)) throw new Error(`expected a VecpipeError, not ${inspect(error)}`);
  // Wherever it ends up, a key is not in it.
  expect(inspect(error, { depth: 10 })).not.toContain(KEY);
  return error;
}

/** The behaviours in turn, then good answers. */
function inTurn(...behaviours: Behaviour[]): { behave: () => Behaviour | undefined } {
  return { behave: () => behaviours.shift() };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('requests', () => {
  it('packs by number of texts and by tokens, sends at once, and gives vectors in input order', async () => {
    await using setting = await open({ latencyMs: 20 }, { maxInputs: 10, maxTokensPerRequest: 40 });
    const { server, provider } = setting;
    const texts = [...textsOf(95), 'word '.repeat(60).trim(), ...textsOf(5).map((text) => `late ${text}`)];
    const result = await provider.embed(texts);
    expectRightVectors(result, texts);
    expectPaidOnce(server, texts);
    expect(result.tokens).toBe(texts.reduce((sum, text) => sum + gatewayTokens(text), 0));
    for (const { inputs } of server.requests) {
      expect(inputs.length).toBeLessThanOrEqual(10);
      const tokens = inputs.reduce((sum, text) => sum + provider.tokenizer.count(text), 0);
      expect(inputs.length === 1 || tokens <= 40).toBe(true);
    }
    expect(server.peakUnderWay).toBeGreaterThan(4);
    expect(server.peakUnderWay).toBeLessThanOrEqual(16);
  });

  it('sends a text that is longer than the endpoint should take by itself', async () => {
    await using setting = await open({}, { maxTokensPerInput: 20 });
    const long = 'word '.repeat(30).trim();
    expectRightVectors(await setting.provider.embed(['a', long, 'b']), ['a', long, 'b']);
    const sent = setting.server.requests.map(({ inputs }) => inputs);
    expect(sent).toHaveLength(2);
    expect(sent).toEqual(expect.arrayContaining([['a', 'b'], [long]]));
  });

  it('asks for what the config says: key, header, query, dimensions and encoding', async () => {
    await using setting = await open(
      { apiKey: KEY, apiKeyHeader: 'api-key', shape: 'azure' },
      {
        apiKey: KEY,
        apiKeyHeader: 'api-key',
        query: { 'api-version': '2024-10-21' },
        sendDimensions: true,
        dimensions: 6,
        encodingFormat: 'float',
      },
    );
    expectRightVectors(await setting.provider.embed(['a']), ['a'], 6);
    const [request] = setting.server.requests;
    expect(request?.path).toBe('/v1/embeddings?api-version=2024-10-21');
    expect(request?.headers).toMatchObject({ 'api-key': KEY });
    expect(request?.headers.authorization).toBeUndefined();
    expect(request?.body).toEqual({
      model: 'test-model',
      input: ['a'],
      encoding_format: 'float',
      dimensions: 6,
    });
  });

  it('takes nothing from the environment, and sends no authorization without a key', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'sk-from-the-environment');
    vi.stubEnv('OPENAI_ORG_ID', 'org-from-the-environment');
    vi.stubEnv('OPENAI_PROJECT_ID', 'project-from-the-environment');
    vi.stubEnv(
      'OPENAI_CUSTOM_HEADERS',
      'x-custom: from-the-environment\nauthorization: Bearer from-the-environment',
    );
    vi.stubEnv('OPENAI_LOG', 'debug');
    const output = [
      vi.spyOn(console, 'log'),
      vi.spyOn(console, 'debug'),
      vi.spyOn(console, 'info'),
      vi.spyOn(console, 'warn'),
    ];
    await using setting = await open();
    await setting.provider.embed(['a']);
    const [request] = setting.server.requests;
    expect(JSON.stringify(request?.headers)).not.toContain('from-the-environment');
    expect(request?.headers.authorization).toBeUndefined();
    for (const spy of output) expect(spy).not.toHaveBeenCalled();
  });

  it('puts prefixes before texts by their purpose', async () => {
    await using setting = await open({}, { queryPrefix: 'query: ', passagePrefix: 'passage: ' });
    const { server, provider } = setting;
    await provider.embed(['a']);
    await provider.embed(['b'], { purpose: 'query' });
    expect(server.requests.map(({ inputs }) => inputs)).toEqual([['passage: a'], ['query: b']]);
    expect(provider.variant).toBe('prefix "passage: "');
  });

  it('does not send an empty text', async () => {
    await using setting = await open({}, { passagePrefix: 'passage: ' });
    const { vectors } = await setting.provider.embed(['', 'a']);
    expect(vectors[0]).toEqual({ code: 'provider_rejected_text', reason: 'the text is empty' });
    expect(vectors[1]).toBeInstanceOf(Float32Array);
    expect(await setting.provider.embed([])).toEqual({ vectors: [], tokens: 0 });
  });

  it('follows no redirect, which would give the key away', async () => {
    await using other = await openGatewayServer();
    const redirect: Behaviour = { status: 307, headers: { location: `${other.url}/embeddings` }, body: {} };
    await using setting = await open(inTurn(redirect), { apiKey: KEY });
    expect((await failureOf(setting.provider.embed(['a']))).code).toBe('provider_not_found');
    expect(other.requests).toEqual([]);
  });
});

describe('opening', () => {
  it('asks for the width with one text, in numbers, where the config does not say', async () => {
    await using setting = await open({ dimensions: 12 }, { dimensions: null });
    expect(setting.provider.dimensions).toBe(12);
    expect(setting.server.requests.map(({ body }) => body['encoding_format'])).toEqual(['float']);
    expectRightVectors(await setting.provider.embed(['a']), ['a'], 12);
  });

  it('sends nothing where the config says how wide', async () => {
    await using setting = await open();
    expect(setting.provider.dimensions).toBe(8);
    expect(setting.server.requests).toEqual([]);
  });

  it('names the variable of a missing key, and of one that no header can carry', async () => {
    await using server = await openGatewayServer();
    const missing = await failureOf(openGatewayProvider(configFor(server, { needsApiKey: true })));
    expect(missing).toMatchObject({ family: 'usage', code: 'api_key_missing' });
    expect(missing.message).toContain('GATEWAY_KEY');
    const broken = await failureOf(openGatewayProvider(configFor(server, { apiKey: `${KEY}\n` })));
    expect(broken).toMatchObject({ family: 'usage', code: 'api_key_invalid' });
  });

  it('leaves nothing behind when it fails, and can be tried again', async () => {
    await using server = await openGatewayServer(inTurn({ status: 401 }));
    const config = configFor(server, { dimensions: null, apiKey: KEY });
    expect((await failureOf(openGatewayProvider(config))).code).toBe('provider_auth');
    await server.deserted();
    await using provider = await openGatewayProvider(config);
    expect(provider.dimensions).toBe(8);
  });

  it('ends with the reason of an abort', async () => {
    await using server = await openGatewayServer({ behave: () => 'hang' });
    const controller = new AbortController();
    const opening = openGatewayProvider(configFor(server, { dimensions: null }), {
      signal: controller.signal,
    });
    const ended = expect(opening).rejects.toThrow('no longer wanted');
    await server.reached(1);
    controller.abort(new Error('no longer wanted'));
    await ended;
    await server.deserted();
  });

  it('reads a tokenizer, and says where there is none', async () => {
    const folder = fileURLToPath(new URL('../../models/static-en-256', import.meta.url));
    await using setting = await open({ usage: 'missing' }, { tokenizer: folder });
    expect(setting.provider.tokenizer.count('hello embeddings')).toBe(5);
    const { tokens } = await setting.provider.embed(['hello embeddings']);
    expect(tokens).toBe(5);
    const missing = openGatewayProvider(configFor(setting.server, { tokenizer: `${folder}/nowhere` }));
    expect(await failureOf(missing)).toMatchObject({ family: 'usage', code: 'tokenizer_unreadable' });
  });
});

describe('what passes is tried again', () => {
  const passing: { name: string; behaviour: Behaviour }[] = [
    ...[408, 409, 500, 502, 503, 504, 529].map((status) => ({ name: String(status), behaviour: { status } })),
    { name: '429', behaviour: { status: 429 } },
    { name: '429 with Retry-After', behaviour: { status: 429, headers: { 'retry-after': '2' } } },
    { name: '503 with retry-after-ms', behaviour: { status: 503, headers: { 'retry-after-ms': '300' } } },
    { name: 'HTML with 502', behaviour: 'html_502' },
    { name: 'HTML with 200', behaviour: 'html' },
    { name: 'a reset connection', behaviour: 'reset' },
    { name: 'a truncated body', behaviour: 'truncated' },
    { name: 'damaged JSON', behaviour: 'cut_json' },
    { name: 'an error inside 200', behaviour: 'error_in_200' },
    { name: 'a detail inside 200', behaviour: 'detail_in_200' },
    { name: 'a message inside 200', behaviour: 'message_in_200' },
    {
      name: 'a rate limit inside 200',
      behaviour: { status: 200, body: { error: { message: 'slow down', type: 'rate_limit_error' } } },
    },
  ];

  it.each(passing)('$name', async ({ behaviour }) => {
    await using setting = await open(inTurn(behaviour, behaviour));
    const texts = textsOf(100);
    expectRightVectors(await setting.provider.embed(texts), texts);
    expectPaidOnce(setting.server, texts);
    expect(setting.server.requests).toHaveLength(4);
  });

  it('a request that hangs, before or in its body', async () => {
    await using setting = await open(inTurn('hang', 'hang_in_body'), { timeoutMs: 50_000, retryMs: 200_000 });
    const texts = textsOf(100);
    expectRightVectors(await setting.provider.embed(texts), texts);
    expectPaidOnce(setting.server, texts);
  });

  it('until the time is up, and then lists the attempts', async () => {
    let status = 503;
    await using setting = await open(
      { behave: () => (status === 503 ? { status: (status = 500) } : 'reset') },
      { retryMs: 5000 },
    );
    const error = await failureOf(setting.provider.embed(['a']));
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_unavailable' });
    expect(error.message).toMatch(
      /^provider cloud \(model test-model at http:\/\/127\.0\.0\.1:\d+\/v1\) did not answer: \d+ attempts in [\d.]+ s: 500, connection reset, connection reset/,
    );
    expect(error.cause).toBeUndefined();
  });

  it('not at all with retryMs 0', async () => {
    await using setting = await open({ behave: () => ({ status: 500 }) }, { retryMs: 0 });
    expect((await failureOf(setting.provider.embed(['a']))).message).toContain('1 attempt');
    expect(setting.server.requests).toHaveLength(1);
  });

  it('but a page in the place of the API only three times', async () => {
    await using setting = await open({ behave: () => 'html' });
    const error = await failureOf(setting.provider.embed(['a']));
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_contract' });
    expect(error.message).toContain('3 attempts');
    expect(error.message).toContain('HTML with status 200');
  });

  it('a server that is not there is named with what happened', async () => {
    const setting = await open({}, { retryMs: 2000 });
    await setting.server[Symbol.asyncDispose]();
    expect((await failureOf(setting.provider.embed(['a']))).message).toContain('connection refused');
    await setting.provider[Symbol.asyncDispose]();
  });
});

describe('429', () => {
  it('is waited out for everybody, by one request that finds out', async () => {
    let isLimited = false;
    await using setting = await open(
      {
        behave: ({ number }) => {
          if (number === 3) isLimited = true;
          if (number >= 24) isLimited = false;
          return isLimited ? { status: 429, headers: { 'retry-after': '1' } } : null;
        },
        latencyMs: 5,
      },
      { maxInputs: 1, maxConcurrency: 8 },
    );
    const texts = textsOf(60);
    expectRightVectors(await setting.provider.embed(texts), texts);
    expectPaidOnce(setting.server, texts);
  });

  it('with a Retry-After beyond the time for retries ends every call at once, and says when to come back', async () => {
    await using setting = await open(
      { behave: () => ({ status: 429, headers: { 'retry-after': '600' } }) },
      { maxInputs: 1 },
    );
    const error = await failureOf(setting.provider.embed(textsOf(100)));
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_rate_limited' });
    expect(error.message).toContain('600 s');
    expect(setting.server.requests.length).toBeLessThanOrEqual(16);
    const sent = setting.server.requests.length;
    expect((await failureOf(setting.provider.embed(['later']))).code).toBe('provider_rate_limited');
    expect(setting.server.requests).toHaveLength(sent);
  });

  it('for longer than the time for retries ends the call, and is no row’s failure', async () => {
    await using setting = await open({ behave: () => ({ status: 429 }) }, { retryMs: 8000 });
    const error = await failureOf(setting.provider.embed(textsOf(500)));
    expect(error.code).toBe('provider_rate_limited');
    expect(error.message).toMatch(/attempts? in [\d.]+ s: 429/);
  });

  it('for a quota that is used up is not waited for', async () => {
    const body = {
      error: {
        message: 'You exceeded your current quota',
        type: 'insufficient_quota',
        code: 'insufficient_quota',
      },
    };
    await using setting = await open({ behave: () => ({ status: 429, body }) });
    const error = await failureOf(setting.provider.embed(['a']));
    expect(error.code).toBe('provider_quota');
    expect(setting.server.requests).toHaveLength(1);
  });

  it.each(['headers', 'retry-after'] as const)(
    'under a real limiter that tells %s, everything is embedded once',
    async (announce) => {
      await using setting = await open(
        { limit: { kind: 'fixed', requestsPerMinute: 120, timeScale: 100, announce }, latencyMs: 2 },
        { maxInputs: 1 },
      );
      const { server, provider } = setting;
      const texts = textsOf(300);
      expectRightVectors(await provider.embed(texts), texts);
      expectPaidOnce(server, texts);
      // Announced, it need not be found out by refusals; else by one crowd of requests, and now and then one more.
      expect(server.statuses.get(429) ?? 0).toBeLessThan(announce === 'headers' ? 6 : 40);
    },
  );

  it('pauses at x-ratelimit-remaining-requests: 0 until the reset', async () => {
    const sentAtMs: number[] = [];
    const headers = {
      'x-ratelimit-limit-requests': '1',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '20s',
    };
    const clock = hurriedClock();
    await using setting = await open(
      {
        behave: ({ inputs }) => {
          sentAtMs.push(clock.now());
          return inputs[0] === 'a'
            ? { status: 200, headers, body: { data: [{ index: 0, embedding: [1, 0, 0, 0, 0, 0, 0, 0] }] } }
            : null;
        },
      },
      {},
      clock,
    );
    await setting.provider.embed(['a']);
    await setting.provider.embed(['b']);
    expect((sentAtMs[1] ?? 0) - (sentAtMs[0] ?? 0)).toBeGreaterThanOrEqual(19_900);
  });
});

describe('what does not pass', () => {
  it('401 and 403 name the variable and never the key', async () => {
    for (const status of [401, 403]) {
      const body = { error: { message: `Incorrect API key provided: ${KEY}` } };
      await using setting = await open(inTurn({ status, body }), { apiKey: KEY });
      const error = await failureOf(setting.provider.embed(['a']));
      expect(error).toMatchObject({ family: 'unavailable', code: 'provider_auth' });
      expect(error.message).toContain('GATEWAY_KEY');
      expect(setting.server.requests).toHaveLength(1);
    }
  });

  it('404 names model and URL', async () => {
    await using setting = await open({ model: 'another-model', shape: 'ollama' });
    const error = await failureOf(setting.provider.embed(['a']));
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_not_found' });
    expect(error.message).toContain('model test-model at http://127.0.0.1');
    expect(setting.server.requests).toHaveLength(1);
  });

  it('a key is not shown even where the endpoint repeats it', async () => {
    const body = { error: { message: `bad request of ${KEY}` } };
    await using setting = await open({ behave: () => ({ status: 400, body }) }, { apiKey: KEY });
    expect((await failureOf(setting.provider.embed(['a']))).code).toBe('provider_refused_request');
    expect(inspect(setting.provider, { depth: 10, showHidden: true })).not.toContain(KEY);
  });

  it('user, password and query string of the URL are not shown', async () => {
    await using server = await openGatewayServer({ behave: () => ({ status: 404 }) });
    const baseURL = `${server.url.replace('//', '//someone:hush@')}?token=hidden`;
    await using provider = await openGatewayProvider({ ...configFor(server), baseURL });
    const error = await failureOf(provider.embed(['a']));
    expect(inspect(error)).not.toMatch(/hush|hidden/);
    const [request] = server.requests;
    expect(request?.headers.authorization).toBe(`Basic ${Buffer.from('someone:hush').toString('base64')}`);
    expect(request?.path).toBe('/v1/embeddings?token=hidden');
  });
});

describe('the contract of an answer', () => {
  const broken: { behaviour: Behaviour; says: string }[] = [
    { behaviour: 'wrong_count', says: '2 vectors for 3 texts' },
    { behaviour: 'duplicate_index', says: 'the "index" 0 twice' },
    { behaviour: 'missing_index', says: 'an "index" that is not one of the 3 texts' },
    { behaviour: 'foreign_index', says: 'an "index" that is not one of the 3 texts' },
    { behaviour: { status: 200, body: { data: 'none' } }, says: 'an object without a list "data"' },
    { behaviour: { status: 200, body: [1, 2] }, says: 'JSON that is not an object' },
    {
      behaviour: { status: 200, body: { data: [0, 1, 2].map((index) => ({ index, embedding: { a: 1 } })) } },
      says: 'a vector that cannot be read',
    },
  ];

  it.each(broken)('$says', async ({ behaviour, says }) => {
    await using setting = await open(inTurn(behaviour));
    const error = await failureOf(setting.provider.embed(['a', 'b', 'c']));
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_contract' });
    expect(error.message).toContain(says);
    expect(error.message).toContain('provider cloud (model test-model at http://127.0.0.1');
    expect(setting.server.requests).toHaveLength(1);
  });

  it('a wrong width never gets out', async () => {
    await using setting = await open({ dimensions: 10 }, { encodingFormat: 'float' });
    const error = await failureOf(setting.provider.embed(['a']));
    expect(error.code).toBe('provider_contract');
    expect(error.message).toContain('a vector of width 10 instead of 8');
    expect(error.hint).toContain('dimensions');
    expect(error.hint).toContain('sendDimensions');
  });

  it('vectors in another order are put in order', async () => {
    await using setting = await open({ behave: () => 'shuffled' });
    const texts = textsOf(50);
    expectRightVectors(await setting.provider.embed(texts), texts);
  });

  it('a compressed answer is read, though none was asked for', async () => {
    await using setting = await open({ behave: () => 'gzip' });
    const texts = textsOf(50);
    expectRightVectors(await setting.provider.embed(texts), texts);
    expect(setting.server.requests[0]?.headers['accept-encoding']).toBeUndefined();
  });

  it.each(['nan', 'infinity', 'zero'] as const)(
    'a vector of %s is the failure of its text alone',
    async (behaviour) => {
      await using setting = await open(inTurn(behaviour), {
        encodingFormat: behaviour === 'zero' ? 'base64' : 'float',
      });
      const { vectors } = await setting.provider.embed(['a', 'b']);
      expect(vectors[0]).toMatchObject({ code: behaviour === 'zero' ? 'vector_zero' : 'vector_not_finite' });
      expect(vectors[1]).toBeInstanceOf(Float32Array);
    },
  );

  it('counts tokens by itself where the endpoint does not', async () => {
    await using setting = await open({ usage: 'missing' });
    const texts = textsOf(5);
    const { tokens } = await setting.provider.embed(texts);
    expect(tokens).toBe(texts.reduce((sum, text) => sum + setting.provider.tokenizer.count(text), 0));
  });
});

describe('encoding', () => {
  it.each(['quarter', 'refused'] as const)(
    'falls back to numbers when base64 is %s, once and for all',
    async (base64) => {
      await using setting = await open({ base64 });
      const { server, provider, events } = setting;
      const texts = textsOf(10);
      expectRightVectors(await provider.embed(texts), texts);
      await provider.embed(['once more']);
      expect(server.requests.map(({ body }) => body['encoding_format'])).toEqual([
        'base64',
        'float',
        'float',
      ]);
      expect(events.map(({ type }) => type)).toEqual(['notice']);
    },
  );

  it('takes numbers where base64 was asked for', async () => {
    await using setting = await open({ base64: 'ignored' });
    const texts = textsOf(10);
    expectRightVectors(await setting.provider.embed(texts), texts);
    expect(setting.server.requests).toHaveLength(1);
    expect(setting.events).toEqual([]);
  });

  it('reads base64 of widths of all alignments', async () => {
    for (const dimensions of [1, 2, 3, 5, 1536, 2047]) {
      await using setting = await open({ dimensions }, { dimensions });
      expectRightVectors(await setting.provider.embed(['a', 'b']), ['a', 'b'], dimensions);
    }
  });
});

describe('refused texts', () => {
  const bad = 'this text is refused by the gateway for a reason of its own';

  it.each(['openai', 'azure', 'litellm', 'vllm', 'tei', 'ollama'] as const)(
    'one bad text of many is found and the others are embedded (%s)',
    async (shape) => {
      await using setting = await open({
        shape,
        refuse: (text) => (text === bad ? 'input is not acceptable' : null),
      });
      const { server, provider } = setting;
      const texts = textsOf(200);
      texts[77] = bad;
      const { vectors, tokens } = await provider.embed(texts);
      expect(vectors[77]).toMatchObject({ code: 'provider_rejected_text' });
      expect(vectors[77]).toHaveProperty('reason', expect.stringContaining('input is not acceptable'));
      const good = texts.filter((text) => text !== bad);
      expectPaidOnce(server, good);
      expectRightVectors({ vectors: vectors.filter((_each, index) => index !== 77), tokens }, good);
      expect(tokens).toBe(good.reduce((sum, text) => sum + gatewayTokens(text), 0));
      // 4 requests, of which one is halved six times.
      expect(server.requests.length).toBeLessThanOrEqual(4 + 2 * 6);
    },
  );

  it('their reason never repeats the text', async () => {
    await using setting = await open({
      refuse: (text) => (text === bad ? `cannot embed "${text.slice(5, 45)}"` : null),
    });
    const { vectors } = await setting.provider.embed(['good', bad]);
    expect(vectors[1]).toEqual({ code: 'provider_rejected_text', reason: 'the gateway refused the text' });
  });

  it('a single one in a call of its own is a refused text as well', async () => {
    await using setting = await open({ refuse: (text) => (text === bad ? 'no' : null) });
    const { vectors } = await setting.provider.embed([bad]);
    expect(vectors[0]).toMatchObject({ code: 'provider_rejected_text' });
  });

  it('an endpoint that refuses everything is a failure of the provider, after few requests', async () => {
    await using setting = await open({ refuse: () => 'This model does not support specifying dimensions' });
    const error = await failureOf(setting.provider.embed(textsOf(640)));
    expect(error).toMatchObject({ family: 'unavailable', code: 'provider_refused_request' });
    expect(error.message).toContain('This model does not support specifying dimensions');
    expect(setting.server.requests.length).toBeLessThanOrEqual(12);
  });

  it('an endpoint that takes fewer texts at once is sent fewer from then on', async () => {
    await using setting = await open({ shape: 'tei', maxInputs: 32, latencyMs: 2 }, { maxConcurrency: 1 });
    const { server, provider } = setting;
    const texts = textsOf(640);
    expectRightVectors(await provider.embed(texts), texts);
    expectPaidOnce(server, texts);
    // One more is on its way before the halves of the first have come back.
    expect(server.statuses.get(413)).toBeLessThanOrEqual(3);
  });

  it('an error of the request inside 200 is halved, too', async () => {
    const body = { error: { message: 'bad input', type: 'invalid_request_error', code: null } };
    await using setting = await open({
      behave: ({ inputs }) => (inputs.includes(bad) ? { status: 200, body } : null),
    });
    const { vectors } = await setting.provider.embed(['a', 'b', bad, 'c']);
    expect(vectors.map((vector) => vector instanceof Float32Array)).toEqual([true, true, false, true]);
  });
});

describe('nothing is paid twice', () => {
  it('when a part of a call fails and the call is made again', async () => {
    let isDown = true;
    await using setting = await open(
      {
        behave: ({ inputs }) => (isDown && inputs.includes('text number 130') ? { status: 401 } : null),
        latencyMs: 5,
      },
      { apiKey: KEY },
    );
    const texts = textsOf(200);
    await failureOf(setting.provider.embed(texts));
    isDown = false;
    const result = await setting.provider.embed(texts);
    expectRightVectors(result, texts);
    expectPaidOnce(setting.server, texts);
    expect(result.tokens).toBe(setting.server.reportedTokens);
  });

  it('under faults of every kind at once', async () => {
    const faults: Behaviour[] = [
      'reset',
      'html_502',
      'truncated',
      { status: 503 },
      { status: 429, headers: { 'retry-after': '1' } },
      { status: 500 },
    ];
    await using setting = await open(
      {
        behave: ({ number }) => (number % 3 === 0 ? faults[(number / 3) % faults.length] : null),
        refuse: (text) => (text.endsWith('99') ? 'no' : null),
        latencyMs: 1,
      },
      { maxInputs: 20 },
    );
    const texts = textsOf(600);
    const calls = [texts.slice(0, 200), texts.slice(200, 400), texts.slice(400)];
    const results = await Promise.all(calls.map((each) => setting.provider.embed(each)));
    const vectors = results.flatMap((result) => result.vectors);
    const good = texts.filter((text) => !text.endsWith('99'));
    expectRightVectors(
      { vectors: vectors.filter((vector) => vector instanceof Float32Array), tokens: 0 },
      good,
    );
    expectPaidOnce(setting.server, good);
  });
});

describe('signals', () => {
  it('an abort ends its own call and no other', async () => {
    await using setting = await open({
      behave: ({ inputs }) => (inputs[0]?.startsWith('held') ? 'hang' : null),
    });
    const { server, provider } = setting;
    const controller = new AbortController();
    const aborted = provider.embed(['held'], { signal: controller.signal });
    const ended = expect(aborted).rejects.toThrow('stop it');
    const texts = textsOf(300);
    const other = provider.embed(texts);
    await server.reached(1);
    controller.abort(new Error('stop it'));
    await ended;
    expectRightVectors(await other, texts);
    await expect(provider.embed(['a'], { signal: controller.signal })).rejects.toThrow('stop it');
  });

  it('an abort ends a call that waits for its turn or for another attempt', async () => {
    await using setting = await open(
      { behave: () => ({ status: 503, headers: { 'retry-after': '40' } }) },
      {},
      systemClock,
    );
    const controller = new AbortController();
    const ended = expect(setting.provider.embed(textsOf(10), { signal: controller.signal })).rejects.toThrow(
      'stop it',
    );
    await setting.server.reached(1);
    controller.abort(new Error('stop it'));
    await ended;
  });

  it('a thousand requests under one signal make no warning and leave no listener', async () => {
    const warnings: unknown[] = [];
    const listener = (warning: unknown) => void warnings.push(warning);
    process.on('warning', listener);
    const controller = new AbortController();
    const add = vi.spyOn(controller.signal, 'addEventListener');
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    await using setting = await open({}, { maxInputs: 1, maxConcurrency: 64 });
    const texts = textsOf(1000);
    await Promise.all(texts.map((text) => setting.provider.embed([text], { signal: controller.signal })));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listener);
    expect(warnings).toEqual([]);
    expect(add).toHaveBeenCalledTimes(remove.mock.calls.length);
    expectPaidOnce(setting.server, texts);
  });
});

describe('lifetime', () => {
  it('disposal rejects what is under way, closes every socket, and can be repeated', async () => {
    await using server = await openGatewayServer({ behave: () => 'hang' });
    const provider = await openGatewayProvider(configFor(server, { maxInputs: 1 }));
    const ended = expect(provider.embed(textsOf(40))).rejects.toThrow('has been disposed');
    await server.reached(16);
    await Promise.all([provider[Symbol.asyncDispose](), provider[Symbol.asyncDispose]()]);
    await ended;
    await server.deserted();
    await expect(provider.embed(['a'])).rejects.toThrow('has been disposed');
  });

  it('a scope that throws closes it', async () => {
    await using server = await openGatewayServer();
    const work = async () => {
      await using provider = await openGatewayProvider(configFor(server));
      await provider.embed(['a']);
      throw new Error('thrown inside');
    };
    await expect(work()).rejects.toThrow('thrown inside');
    await server.deserted();
  });

  it('scopes side by side do not disturb each other', async () => {
    await using server = await openGatewayServer({ latencyMs: 2 });
    const texts = textsOf(30);
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await using provider = await openGatewayProvider(configFor(server));
        expectRightVectors(await provider.embed(texts), texts);
      }),
    );
    await server.deserted();
  });
});
