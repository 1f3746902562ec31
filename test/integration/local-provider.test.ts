import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, test } from 'vitest';
import type { LocalProviderConfig } from '../../src/config/provider-config.ts';
import { Scope } from '../../src/lifetime/scope.ts';
import type { EmbeddingProvider, EmbedResult } from '../../src/ports/embedding-provider.ts';
import { openLocalProvider } from '../../src/providers/local/local-provider.ts';
import { openProvider } from '../../src/providers/open-provider.ts';
import { localConfig } from '../helpers/provider-configs.ts';

const TINY = fileURLToPath(new URL('../../fixtures/tiny-model', import.meta.url));
const SHARED = fileURLToPath(new URL('../../../shared/models', import.meta.url));
const MINI = join(SHARED, 'all-MiniLM-L6-v2');

function configWith(changes: Partial<LocalProviderConfig> = {}): LocalProviderConfig {
  return localConfig({
    name: 'here',
    model: TINY,
    modelFrom: 'folder',
    modelId: 'tiny-model',
    hub: { url: 'http://127.0.0.1:9', token: null },
    cacheFolder: join(tmpdir(), 'vecpipe-no-models'),
    isOffline: true,
    dtype: 'fp32',
    ...changes,
  });
}

async function opened(changes: Partial<LocalProviderConfig> = {}): Promise<EmbeddingProvider> {
  const provider = await openLocalProvider(configWith(changes));
  onTestFinished(() => provider[Symbol.asyncDispose]());
  return provider;
}

async function changedTiny(files: Record<string, unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-local-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(TINY, folder, { recursive: true });
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), JSON.stringify(content));
  return folder;
}

function vectorsOf({ vectors }: EmbedResult): Float32Array[] {
  for (const vector of vectors) expect(vector).toBeInstanceOf(Float32Array);
  return vectors as Float32Array[];
}

function cosine(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let dot = 0;
  let squares = 0;
  let otherSquares = 0;
  for (let column = 0; column < one.length; column++) {
    dot += one[column]! * other[column]!;
    squares += one[column]! ** 2;
    otherSquares += other[column]! ** 2;
  }
  return dot / Math.sqrt(squares * otherSquares);
}

const WORDS =
  'project issue task board user model vector search index row of the and reset password Queue, 42'.split(
    ' ',
  );

/** Texts of 0 to `longest` words, in no order of length. */
function texts(count: number, longest = 30, seed = 1): string[] {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  return Array.from({ length: count }, () =>
    Array.from(
      { length: Math.floor(random() * (longest + 1)) },
      () => WORDS[Math.floor(random() * WORDS.length)],
    ).join(' '),
  );
}

const isMiniThere = existsSync(join(MINI, 'onnx/model_quantized.onnx'));
const MINI_IS_MISSING = 'all-MiniLM-L6-v2 is not beside the repository';
if (!isMiniThere) console.warn(`skipped: ${MINI_IS_MISSING}`);

describe.each([
  { name: 'tiny-model in fp32', changes: {}, width: 32, limit: 62, alike: 0.999_99 },
  { name: 'tiny-model in int8', changes: { dtype: 'q8' as const }, width: 32, limit: 62, alike: 0.98 },
  {
    name: 'all-MiniLM-L6-v2 in int8',
    changes: { model: MINI, dtype: 'q8' as const, modelId: 'all-MiniLM-L6-v2' },
    width: 384,
    limit: 510,
    alike: 0.98,
    isThere: isMiniThere,
  },
])('$name', ({ changes, width, limit, alike, isThere = true }) => {
  let provider: EmbeddingProvider;
  beforeAll(async () => {
    if (isThere) provider = await openLocalProvider(configWith(changes));
  });
  afterAll(async () => {
    await provider?.[Symbol.asyncDispose]();
  });

  it.skipIf(!isThere)('gives what one text at a time gives, in order, whatever the lengths', async () => {
    expect([provider.dimensions, provider.maxInputTokens]).toEqual([width, limit]);
    const many = texts(isMiniThere && width === 384 ? 60 : 200);
    const together = vectorsOf(await provider.embed(many));
    for (const [index, text] of many.entries()) {
      if (index % 4 !== 0) continue;
      const [alone] = vectorsOf(await provider.embed([text]));
      expect(cosine(together[index]!, alone!), text).toBeGreaterThan(alike);
      expect(Math.hypot(...together[index]!)).toBeCloseTo(1, 5);
    }
  });

  it.skipIf(!isThere)('counts the tokens that a plan counts', async () => {
    const many = texts(50);
    const { tokens } = await provider.embed(many);
    expect(tokens).toBe(many.reduce((sum, text) => sum + provider.tokenizer.count(text), 0));
  });

  it.skipIf(!isThere)('keeps concurrent calls apart', async () => {
    const calls = [1, 2, 3, 4].map((seed) => texts(30, 12, seed));
    const answers = await Promise.all(calls.map((each) => provider.embed(each)));
    for (const [call, answer] of answers.entries()) {
      const again = vectorsOf(await provider.embed(calls[call]!));
      vectorsOf(answer).forEach((vector, index) =>
        expect(cosine(vector, again[index]!)).toBeGreaterThan(alike),
      );
    }
  });

  it.skipIf(!isThere)('refuses a text that is too long and embeds the others', async () => {
    const fits = 'a '.repeat(limit);
    const { vectors, tokens } = await provider.embed(['a', `${fits}a`, fits, '']);
    expect(vectors[1]).toEqual({
      code: 'text_too_long',
      reason: `the text has more than the ${limit} tokens that the model takes`,
    });
    expect([0, 2, 3].map((index) => vectors[index] instanceof Float32Array)).toEqual([true, true, true]);
    expect(tokens).toBe(limit + 1);
  });

  it.skipIf(!isThere)(
    'rejects at once when it is aborted in the middle, and goes on with the next call',
    async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const call = provider.embed(texts(256), { signal: controller.signal });
      setImmediate(() => controller.abort(reason));
      await expect(call).rejects.toBe(reason);
      await expect(provider.embed(['a'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      vectorsOf(await provider.embed(['reset password']));
    },
  );
});

test.skipIf(!isMiniThere)('agrees with the reference vectors of all-MiniLM-L6-v2', async () => {
  const golden = JSON.parse(readFileSync(join(SHARED, 'golden.json'), 'utf8')) as {
    texts: string[];
    'all-MiniLM-L6-v2': number[][];
  };
  const provider = await opened({ model: MINI, dtype: 'q8', modelId: 'all-MiniLM-L6-v2' });
  const vectors = vectorsOf(await provider.embed(golden.texts));
  golden.texts.forEach((text, index) => {
    expect(cosine(vectors[index]!, golden['all-MiniLM-L6-v2'][index]!), text).toBeGreaterThan(0.99);
  });
});

test('opens through the general opener', async () => {
  await using provider = await openProvider(configWith());
  expect(provider).toMatchObject({
    kind: 'local',
    modelId: 'tiny-model',
    variant: 'dtype fp32, mean pooling',
  });
});

test('tells queries from passages where prefixes are given', async () => {
  const plain = await opened();
  const provider = await opened({ queryPrefix: 'search: ', passagePrefix: 'file: ' });
  const [text] = texts(1, 10, 4);
  const passage = await provider.embed([text!]);
  const query = await provider.embed([text!], { purpose: 'query' });
  const [asPassage, asQuery] = vectorsOf(await plain.embed([`file: ${text}`, `search: ${text}`]));
  expect(cosine(vectorsOf(passage)[0]!, asPassage!)).toBeGreaterThan(0.999_99);
  expect(cosine(vectorsOf(query)[0]!, asQuery!)).toBeGreaterThan(0.999_99);
  expect(cosine(asPassage!, asQuery!)).toBeLessThan(0.999);
  expect([passage.tokens, query.tokens]).toEqual([
    plain.tokenizer.count(text!),
    plain.tokenizer.count(text!),
  ]);
  // The prefix of two tokens takes its room.
  expect(provider.maxInputTokens).toBe(60);
  expect(provider.variant).toBe('dtype fp32, mean pooling, prefix "file: "');
  expect((await provider.embed(['a '.repeat(61)])).vectors[0]).toMatchObject({ code: 'text_too_long' });
});

test('pools as the model says, and as the config says over it', async () => {
  const byCls = await changedTiny({ '1_Pooling/config.json': { pooling_mode_cls_token: true } });
  const [mean] = vectorsOf(await (await opened()).embed(['reset the password']));
  const [cls] = vectorsOf(await (await opened({ model: byCls })).embed(['reset the password']));
  const [asked] = vectorsOf(await (await opened({ pooling: 'cls' })).embed(['reset the password']));
  expect(cosine(cls!, asked!)).toBeGreaterThan(0.999_99);
  expect(cosine(cls!, mean!)).toBeLessThan(0.99);
});

test('a lower limit of the config counts', async () => {
  const provider = await opened({ maxTokensPerInput: 3 });
  expect(provider.maxInputTokens).toBe(3);
  expect((await provider.embed(['the of and to'])).vectors[0]).toMatchObject({ code: 'text_too_long' });
});

describe('a failing open says why in one sentence', () => {
  const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

  test.each([
    ['another width', { dimensions: 64 }, 'provider_width', /makes vectors of width 32, but its config says/],
    ['weights it does not have', { dtype: 'q4' as const }, 'model_not_found', /has no onnx\/model_q4\.onnx/],
    ['no such folder', { model: join(TINY, 'absent') }, 'model_not_found', /does not exist$/],
    [
      'a prefix as long as the model',
      { passagePrefix: 'the '.repeat(70) },
      'prefix_too_long',
      /leaves no room/,
    ],
  ])('%s', async (_name, changes, code, message) => {
    const before = threads();
    await expect(openLocalProvider(configWith(changes))).rejects.toMatchObject({
      name: 'VecpipeError',
      family: 'usage',
      code,
      message: expect.stringMatching(message) as string,
    });
    expect(threads()).toBe(before);
  });

  test('damaged weights', async () => {
    const before = threads();
    const model = await changedTiny({ 'onnx/model.onnx': 'not a model' });
    await expect(openLocalProvider(configWith({ model }))).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(/onnx\/model\.onnx cannot be loaded: [^\n]+$/) as string,
    });
    expect(threads()).toBe(before);
  });

  test('a module that the weights leave out', async () => {
    const model = await changedTiny({ 'modules.json': [{ type: 'sentence_transformers.models.Dense' }] });
    await expect(openLocalProvider(configWith({ model }))).rejects.toMatchObject({
      code: 'model_unsupported',
    });
  });

  test('an abort while the model loads', async () => {
    const before = threads();
    const controller = new AbortController();
    const reason = new Error('enough');
    const opening = openLocalProvider(configWith(), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 60);
    await expect(opening).rejects.toBe(reason);
    expect(threads()).toBe(before);
    await (await opened()).embed(['a']);
  });
});

test('disposal in the middle of a call rejects it and may be repeated', async () => {
  const provider = await opened();
  const call = provider.embed(texts(256));
  call.catch(() => {});
  setImmediate(() => void provider[Symbol.asyncDispose]());
  await expect(call).rejects.toThrow('the local provider here has been disposed');
  await provider[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await expect(provider.embed(['a'])).rejects.toThrow('has been disposed');
});

test('a scope that ends by an exception in the middle of a call ends the threads and keeps the exception', async () => {
  const warnings: string[] = [];
  let call: Promise<EmbedResult> | undefined;
  const body = async () => {
    await using scope = new Scope((message) => warnings.push(message));
    const provider = scope.use('provider', await openLocalProvider(configWith()));
    call = provider.embed(texts(256));
    call.catch(() => {});
    throw new Error('of the body');
  };
  await expect(body()).rejects.toThrow(/^of the body$/);
  await expect(call).rejects.toThrow('has been disposed');
  expect(warnings).toEqual([]);
});

describe('from a hub', () => {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/owner/tiny-model/resolve/main/', '');
    const content = existsSync(join(TINY, path)) ? readFileSync(join(TINY, path)) : null;
    if (content === null) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': content.length }).end(content);
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test('a model is downloaded, used, and used again without the hub', async () => {
    const cacheFolder = await mkdtemp(join(tmpdir(), 'vecpipe-local-'));
    onTestFinished(() => rm(cacheFolder, { recursive: true, force: true }));
    const hub = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: null };
    const config = { model: 'owner/tiny-model', modelFrom: 'hub' as const, cacheFolder, hub };
    const [fromFolder] = vectorsOf(await (await opened()).embed(['reset the password']));
    const first = await opened({ ...config, isOffline: false });
    expect(vectorsOf(await first.embed(['reset the password']))[0]).toEqual(fromFolder);
    const second = await opened({ ...config, isOffline: true });
    expect(vectorsOf(await second.embed(['reset the password']))[0]).toEqual(fromFolder);
  });
});

// In processes of their own, with the built code: what they print and hold is theirs alone.
const BUILT = fileURLToPath(new URL('../../dist/providers/local/local-provider.js', import.meta.url));

interface ScriptOptions {
  nodeOptions?: string;
  changes?: Partial<LocalProviderConfig>;
  exitCode?: number;
}

/** What a script printed as JSON. */
function runScript(body: string, options: ScriptOptions = {}): unknown {
  const config = configWith({ workers: 1, threads: 1, ...options.changes });
  const script = `import { openLocalProvider } from ${JSON.stringify(BUILT)};
const config = ${JSON.stringify(config)};
const megabytes = () => { globalThis.gc(); return Math.round(process.memoryUsage.rss() / 2 ** 20); };
${body}`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: options.nodeOptions ?? '' } },
  );
  // Libraries that print would be heard here.
  expect({ stderr, status }).toEqual({ stderr: '', status: options.exitCode ?? 0 });
  return stdout === '' ? null : JSON.parse(stdout);
}

test('after hundreds of times of opening, using and closing no thread, handle, timer or memory is left', () => {
  const { after, resources } = runScript(`
const use = async () => {
  const provider = await openLocalProvider(config);
  await provider.embed(['reset the password', 'a']);
  await provider[Symbol.asyncDispose]();
};
const after = [];
for (let round = 0; round < 100; round++) {
  await Promise.all([use(), use()]);
  if (round % 20 === 19) after.push(megabytes());
}
console.log(JSON.stringify({ after, resources: process.getActiveResourcesInfo() }));`) as {
    after: number[];
    resources: string[];
  };
  expect(resources.filter((name) => !/Pipe/.test(name))).toEqual([]);
  // The first twenty warm up what the process keeps for good.
  expect(Math.max(...after.slice(1)) - after[0]!, `${after.join(', ')} MB`).toBeLessThan(40);
}, 300_000);

test.for([
  { name: 'tiny-model', changes: {}, isThere: true, freed: 10 },
  {
    name: 'all-MiniLM-L6-v2',
    changes: { model: MINI, dtype: 'q8' as const },
    isThere: isMiniThere,
    freed: 50,
  },
])('closing $name gives memory back, each time', ({ changes, isThere, freed }, { skip }) => {
  if (!isThere) skip(MINI_IS_MISSING);
  const { during, after } = runScript(
    `
const during = [];
const after = [];
for (let round = 0; round < 6; round++) {
  const provider = await openLocalProvider(config);
  await provider.embed(Array.from({ length: 64 }, (_each, index) => 'reset the password '.repeat(1 + (index % 9))));
  during.push(megabytes());
  await provider[Symbol.asyncDispose]();
  after.push(megabytes());
}
console.log(JSON.stringify({ during, after }));`,
    { changes },
  ) as { during: number[]; after: number[] };
  const shown = `during ${during.join(', ')}; after ${after.join(', ')} MB`;
  after.forEach((each, round) => expect(during[round]! - each, shown).toBeGreaterThan(freed));
  // What stays with the process is what its allocator keeps for the next one: it does not add up.
  expect(during.at(-1)! - during[1]!, shown).toBeLessThan(100);
});

test.for([
  { name: 'tiny-model', changes: {}, isThere: true },
  { name: 'all-MiniLM-L6-v2', changes: { model: MINI, dtype: 'q8' as const }, isThere: isMiniThere },
])(
  'a process that exits while $name computes does so with its own code',
  ({ changes, isThere }, { skip }) => {
    if (!isThere) skip(MINI_IS_MISSING);
    runScript(
      `
const provider = await openLocalProvider(config);
const texts = Array.from({ length: 256 }, (_each, index) => 'the '.repeat(1 + (index % 60)));
for (let call = 0; call < 20; call++) provider.embed(texts).catch(() => {});
setTimeout(() => process.exit(9), 50);`,
      { changes, exitCode: 9 },
    );
  },
);

test('a process that exits while the model loads does so with its own code', () => {
  for (const delayMs of [0, 100, 200, 300]) {
    runScript(`openLocalProvider(config).catch(() => {}); setTimeout(() => process.exit(9), ${delayMs});`, {
      exitCode: 9,
    });
  }
});

test('a package that is there and cannot be loaded is named', () => {
  const hook = `export async function resolve(name, context, next) {
  if (name === '@xenova/transformers') throw new Error('a file of it is missing');
  return next(name, context);
}`;
  const register = `import { register } from 'node:module';
register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
  const error = runScript(
    `const error = await openLocalProvider(config).catch((thrown) => thrown);
console.log(JSON.stringify({ ...error, message: error.message, cause: undefined }));`,
    { nodeOptions: `--import=data:text/javascript,${encodeURIComponent(register)}` },
  );
  expect(error).toMatchObject({
    family: 'usage',
    code: 'provider_package_missing',
    message:
      'provider here needs the optional package @xenova/transformers, which cannot be loaded: a file of it is missing',
  });
});

test('damaged weights make nobody print anything', async () => {
  const model = await changedTiny({ 'onnx/model.onnx': 'not a model' });
  const result = runScript(
    'const error = await openLocalProvider(config).catch((thrown) => thrown);\nconsole.log(JSON.stringify(error.code));',
    {
      changes: { model },
    },
  );
  expect(result).toBe('model_invalid');
});
