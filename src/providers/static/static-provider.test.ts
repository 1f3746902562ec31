import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  arbitraryNumbers,
  safetensorsFile,
  safetensorsOf,
  tinyModels,
  wordPieceTokenizer,
  writeModelFolder,
} from '../../../scripts/make-fixture-models.ts';
import type { ModelContent, TensorContent } from '../../../scripts/make-fixture-models.ts';
import type { EmbedResult } from '../../ports/embedding-provider.ts';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import { openProvider } from '../open-provider.ts';
import { openStaticProvider } from './static-provider.ts';
import { staticConfig } from '../../../test/helpers/provider-configs.ts';

const FIXTURES = fileURLToPath(new URL('../../../fixtures', import.meta.url));
const SHIPPED = fileURLToPath(new URL('../../../models/static-en-256', import.meta.url));

// A model of seven tokens: [PAD], [UNK], [CLS], [SEP], a, b, c.
const EMBEDDINGS = arbitraryNumbers(7 * 3, 7);
const WEIGHTS = weightsOf(7);

function weightsOf(count: number): number[] {
  return arbitraryNumbers(count, 8).map((value) => 0.25 + Math.abs(value));
}

function modelWith(changes: Record<string, Partial<TensorContent>>): ModelContent {
  const tensors: Record<string, TensorContent> = {
    embeddings: { dtype: 'F32', shape: [7, 3], values: EMBEDDINGS, ...changes['embeddings'] },
  };
  if (changes['weights'])
    tensors['weights'] = { dtype: 'F32', shape: [7], values: WEIGHTS, ...changes['weights'] };
  if (changes['mapping'])
    tensors['mapping'] = { dtype: 'I32', shape: [7], values: [], ...changes['mapping'] };
  return {
    config: { normalize: true, max_length: null },
    tokenizer: wordPieceTokenizer(['a', 'b', 'c']),
    tensors,
  };
}

const tinyFolder = (name: string) => join(FIXTURES, 'models', name);
const openTiny = (name: string) => openStaticProvider({ model: tinyFolder(name) });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-static-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function cosine(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let dot = 0;
  let squaresOfOne = 0;
  let squaresOfOther = 0;
  for (let column = 0; column < one.length; column++) {
    dot += one[column]! * other[column]!;
    squaresOfOne += one[column]! ** 2;
    squaresOfOther += other[column]! ** 2;
  }
  return dot / Math.sqrt(squaresOfOne * squaresOfOther);
}

async function readJson<Content>(path: string): Promise<Content> {
  return JSON.parse(await readFile(path, 'utf8')) as Content;
}

/** The error of opening, checked to be one that a person can act on. */
async function openingError(model: string): Promise<VecpipeError> {
  const error: unknown = await openStaticProvider({ model }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(VecpipeError);
  expect(error).toMatchObject({ family: 'usage', hint: expect.any(String) as string });
  // One sentence, in one line.
  expect((error as VecpipeError).message).toMatch(/^the [^\n]+[^.]$/);
  return error as VecpipeError;
}

describe('the shipped model', () => {
  it('gives the reference vectors', async () => {
    await using provider = await openProvider(staticConfig());
    const golden = await readJson<{ texts: string[]; vectors: number[][] }>(
      join(FIXTURES, 'golden/static-en-256.json'),
    );
    const { vectors, tokens } = await provider.embed(golden.texts);
    expect(vectors).toHaveLength(golden.texts.length);
    golden.texts.forEach((text, index) => {
      const vector = vectors[index] as Float32Array;
      expect(cosine(vector, golden.vectors[index]!), text).toBeGreaterThan(0.99999);
      expect(Math.hypot(...vector), text).toBeCloseTo(1, 6);
    });
    expect(tokens).toBe(golden.texts.reduce((sum, text) => sum + provider.tokenizer.count(text), 0));
  });

  it('says what it is', async () => {
    await using provider = await openStaticProvider({ model: null });
    expect(provider).toMatchObject({
      kind: 'static',
      dimensions: 256,
      maxConcurrency: 1,
      maxInputTokens: null,
    });
    expect(provider.modelId).toMatch(/^static-en-256@[0-9a-f]{12}$/);
    expect(provider.maxBatchSize).toBeGreaterThan(0);
  });
});

describe('models of other make', () => {
  it.each(['tiny-plain', 'tiny-merged', 'tiny-unigram'])(
    '%s gives the vectors of Model2Vec',
    async (name) => {
      await using provider = await openTiny(name);
      const expected = await readJson<{ texts: string[]; vectors: Record<string, number[][]> }>(
        join(FIXTURES, 'models/expected.json'),
      );
      const { vectors } = await provider.embed(expected.texts);
      expected.texts.forEach((text, index) => {
        expect(cosine(vectors[index] as Float32Array, expected.vectors[name]![index]!), text).toBeGreaterThan(
          0.99999,
        );
      });
    },
  );

  it('are what the script makes of them', async () => {
    for (const [name, model] of Object.entries(tinyModels())) {
      await writeModelFolder(join(folder, name), model);
      for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
        const made = await readFile(join(folder, name, file));
        expect(made.equals(await readFile(join(tinyFolder(name), file))), `${name}/${file}`).toBe(true);
      }
    }
  });

  it.each(['F16', 'F32', 'F64'] as const)('may hold embeddings and weights as %s', async (dtype) => {
    await writeModelFolder(folder, modelWith({ embeddings: { dtype }, weights: { dtype } }));
    await using provider = await openStaticProvider({ model: folder });
    const { vectors } = await provider.embed(['a b']);
    // Tokens 4 and 5; see modelWith.
    const sum = [0, 1, 2].map(
      (column) => WEIGHTS[4]! * EMBEDDINGS[12 + column]! + WEIGHTS[5]! * EMBEDDINGS[15 + column]!,
    );
    expect(cosine(vectors[0] as Float32Array, sum)).toBeGreaterThan(0.999999);
  });

  it('may map tokens to rows as I32 as well as I64', async () => {
    for (const dtype of ['I32', 'I64'] as const) {
      await writeModelFolder(
        folder,
        modelWith({ mapping: { dtype, shape: [7], values: [0, 0, 0, 0, 2, 1, 0] } }),
      );
      await using provider = await openStaticProvider({ model: folder });
      const { vectors } = await provider.embed(['a']);
      expect(cosine(vectors[0] as Float32Array, EMBEDDINGS.slice(6, 9))).toBeGreaterThan(0.999999);
    }
  });

  it('read half floats exactly, from the smallest to the largest', async () => {
    const values = [2 ** -24, 1023 * 2 ** -24, 2 ** -14, -1.5, 65_504, 1 / 3];
    for (const value of values) {
      // The other column is the yardstick: their ratio is the value, rounded to a half float.
      const yardstick = Math.abs(value) > 1 ? 1024 : 2 ** -10;
      const embeddings = Array.from({ length: 7 }, () => [value, yardstick]).flat();
      await writeModelFolder(folder, {
        ...modelWith({}),
        tensors: { embeddings: { dtype: 'F16', shape: [7, 2], values: embeddings } },
      });
      await using provider = await openStaticProvider({ model: folder });
      const [vector] = (await provider.embed(['a'])).vectors as [Float32Array];
      expect(((vector[0]! / vector[1]!) * yardstick) / value).toBeCloseTo(1, 3);
    }
  });

  it('take max_length as the limit of a text, 512 when there is none, and need no other config', async () => {
    const limits: [Record<string, unknown>, number | null][] = [
      [{}, 512],
      [{ max_length: null }, null],
      [{ max_length: 7, normalize: false, seq_length: 1_000_000 }, 7],
    ];
    for (const [config, limit] of limits) {
      await writeModelFolder(folder, { ...modelWith({}), config });
      await using provider = await openStaticProvider({ model: folder });
      expect(provider.maxInputTokens).toBe(limit);
      expect(Math.hypot(...((await provider.embed(['a b'])).vectors[0] as Float32Array))).toBeCloseTo(1, 6);
    }
  });
});

describe('texts', () => {
  it('without a known token are refused alone, and are not counted', async () => {
    await using provider = await openTiny('tiny-plain');
    const { vectors, tokens } = await provider.embed(['a', '', '☃', ' \u200b ', 'b ☃']);
    const refused = { code: 'no_known_token', reason: expect.any(String) as string };
    expect(vectors).toEqual([expect.any(Float32Array), refused, refused, refused, expect.any(Float32Array)]);
    // The unknown token of the last text was counted, though it gave nothing to the vector.
    expect(tokens).toBe(3);
    expect(vectors[4]).toEqual((await provider.embed(['b'])).vectors[0]);
  });

  it('whose tokens cancel out are refused rather than given a vector of zeros', async () => {
    await writeModelFolder(
      folder,
      modelWith({
        embeddings: { values: EMBEDDINGS.map((value, at) => (at < 15 ? value : -EMBEDDINGS[at - 3]!)) },
      }),
    );
    await using provider = await openStaticProvider({ model: folder });
    const { vectors } = await provider.embed(['a b', 'a']);
    expect(vectors[0]).toMatchObject({ code: 'vector_zero' });
    expect(vectors[1]).toBeInstanceOf(Float32Array);
  });

  it('longer than the limit are embedded whole', async () => {
    await using provider = await openTiny('tiny-merged');
    const long = 'reset the password '.repeat(500);
    const { vectors, tokens } = await provider.embed([`${long} bug`, long]);
    expect(tokens).toBe(3001);
    expect(vectors[0]).not.toEqual(vectors[1]);
  });

  it('each get a vector of their own memory, so that keeping one does not keep all', async () => {
    await using provider = await openTiny('tiny-plain');
    const { vectors } = await provider.embed(['a', 'b']);
    for (const vector of vectors as Float32Array[]) expect(vector.buffer.byteLength).toBe(vector.byteLength);
  });

  it('of two calls at once do not mix', async () => {
    await using provider = await openStaticProvider({ model: null });
    const one = Array.from(
      { length: 2000 },
      (_, index) => `Ship the mobile app ${index} to the beta channel`,
    );
    const other = one.map((text) => `Checkout ${text} returns 502`);
    const together = await Promise.all([provider.embed(one), provider.embed(other)]);
    const apart = [await provider.embed(one), await provider.embed(other)];
    const bytesOf = ({ vectors }: EmbedResult) =>
      Buffer.concat((vectors as Float32Array[]).map((vector) => Buffer.from(vector.buffer)));
    together.forEach((result, index) => {
      expect(bytesOf(result).equals(bytesOf(apart[index]!))).toBe(true);
      expect(result.tokens).toBe(apart[index]!.tokens);
    });
  });
});

describe('the event loop', () => {
  const manyTexts = Array.from(
    { length: 20_000 },
    (_, index) => `Checkout API ${index} returns 502 under load`,
  );

  it('turns while a long call works', async () => {
    await using provider = await openStaticProvider({ model: null });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await provider.embed(manyTexts);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('turns while one long text is embedded', async () => {
    await using provider = await openStaticProvider({ model: null });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await provider.embed([manyTexts.join(' ')]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('turns between short calls in a row, though none of them takes long', async () => {
    await using provider = await openStaticProvider({ model: null });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    for (let start = 0; start < manyTexts.length; start += 50)
      await provider.embed(manyTexts.slice(start, start + 50));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('lets an abort through in the middle of a call, with the reason of the signal', async () => {
    await using provider = await openStaticProvider({ model: null });
    const stop = new AbortController();
    const reason = new Error('stop was asked for');
    setImmediate(() => stop.abort(reason));
    await expect(provider.embed(manyTexts, { signal: stop.signal })).rejects.toBe(reason);
    // The provider is whole after it.
    expect((await provider.embed(['a'])).vectors[0]).toBeInstanceOf(Float32Array);
  });
});

describe('lifetime', () => {
  it('ends by disposal, which may be repeated', async () => {
    const provider = await openTiny('tiny-plain');
    await provider[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
    await expect(provider.embed(['a'])).rejects.toThrow('disposed');
  });

  it('does not begin under an aborted signal, nor does a call', async () => {
    const reason = new Error('stop was asked for');
    const signal = AbortSignal.abort(reason);
    await expect(openStaticProvider({ model: null }, { signal })).rejects.toBe(reason);
    await using provider = await openTiny('tiny-plain');
    await expect(provider.embed([], { signal })).rejects.toBe(reason);
  });

  it('closes every file, also of a model that cannot be opened', async (context) => {
    if (!existsSync('/proc/self/fd'))
      context.skip('open files are counted where the system lists them in /proc');
    await cp(tinyFolder('tiny-plain'), folder, { recursive: true });
    await truncate(join(folder, 'model.safetensors'), 100);
    const open = async () => (await readdir('/proc/self/fd')).length;
    const before = await open();
    for (let attempt = 0; attempt < 20; attempt++) await openingError(folder);
    await openTiny('tiny-plain').then((provider) => provider[Symbol.asyncDispose]());
    expect(await open()).toBe(before);
  });

  it('can be tried again after a failure', async () => {
    await cp(tinyFolder('tiny-plain'), folder, { recursive: true });
    const weights = await readFile(join(folder, 'model.safetensors'));
    await truncate(join(folder, 'model.safetensors'), 100);
    await openingError(folder);
    await writeFile(join(folder, 'model.safetensors'), weights);
    await using provider = await openStaticProvider({ model: folder });
    expect(provider.dimensions).toBe(10);
  });
});

describe('the model id', () => {
  it('changes with the weights and with the tokenizer, not with the place or the config', async () => {
    const idOf = async (model: ModelContent, name = 'same') => {
      await writeModelFolder(join(folder, name), model);
      await using provider = await openStaticProvider({ model: join(folder, name) });
      return provider.modelId;
    };
    const base = await idOf(modelWith({}));
    expect(base).toMatch(/^same@/);
    expect(await idOf({ ...modelWith({}), config: { max_length: 9 } })).toBe(base);
    expect(await idOf(modelWith({}), 'elsewhere/same')).toBe(base);
    const otherWeights = modelWith({ embeddings: { values: EMBEDDINGS.map((value) => -value) } });
    expect(await idOf(otherWeights)).not.toBe(base);
    expect(await idOf({ ...modelWith({}), tokenizer: wordPieceTokenizer(['b', 'a', 'c']) })).not.toBe(base);
  });
});

describe('errors', () => {
  it('of a folder that is missing or none', async () => {
    const error = await openingError(join(folder, 'nowhere'));
    expect(error.code).toBe('model_not_found');
    expect(error.message).toContain(`${join(folder, 'nowhere')} does not exist`);
    expect((await openingError(join(SHIPPED, 'config.json'))).message).toContain('is not a folder');
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])('of a folder without %s', async (file) => {
    await cp(tinyFolder('tiny-plain'), folder, { recursive: true });
    await rm(join(folder, file));
    const error = await openingError(folder);
    expect(error.code).toBe('model_not_found');
    expect(error.message).toContain(`${join(folder, file)} does not exist`);
  });

  it('of a file that is a folder', async () => {
    await cp(tinyFolder('tiny-plain'), folder, { recursive: true });
    await rm(join(folder, 'config.json'));
    await cp(tinyFolder('tiny-plain'), join(folder, 'config.json'), { recursive: true });
    expect((await openingError(folder)).message).toContain('is not a file');
  });

  it.each<[string, string, string, string]>([
    ['config.json', '{ "normalize": tr', 'model_invalid', 'is not JSON'],
    ['config.json', '[]', 'model_invalid', 'is not a JSON object'],
    ['config.json', '{ "max_length": "many" }', 'model_invalid', '"max_length"'],
    ['config.json', '{ "max_length": 0 }', 'model_invalid', '"max_length"'],
    ['tokenizer.json', '{', 'model_invalid', 'is not JSON'],
    ['tokenizer.json', '{ "model": { "type": "Braille" } }', 'model_unsupported', 'Braille'],
    ['config.json', ' '.repeat(1024 * 1024 + 1), 'model_invalid', 'more than the'],
  ])('of a bad %s: %s', async (file, content, code, words) => {
    await cp(tinyFolder('tiny-plain'), folder, { recursive: true });
    await writeFile(join(folder, file), content);
    const error = await openingError(folder);
    expect(error.code).toBe(code);
    expect(error.message).toContain(join(folder, file));
    expect(error.message).toContain(words);
  });

  const header = (of: Record<string, unknown>) => safetensorsOf(JSON.stringify(of), Buffer.alloc(84));
  const embeddings = { dtype: 'F32', shape: [7, 3], data_offsets: [0, 84] };
  const claiming = (length: bigint) => {
    const bytes = Buffer.alloc(64);
    bytes.writeBigUInt64LE(length);
    return bytes;
  };
  it.each<[string, Uint8Array, string, string]>([
    ['nothing', Buffer.alloc(0), 'model_invalid', 'only 0 bytes'],
    ['another format', Buffer.from('PK\u0003\u0004 a zip file, say'), 'model_invalid', 'header claims'],
    ['a header of gigabytes', claiming(8n * 1024n ** 3n), 'model_invalid', 'header claims 8589934592 bytes'],
    ['a header of 2^64 - 1 bytes', claiming(2n ** 64n - 1n), 'model_invalid', 'header claims'],
    ['a header longer than the file', claiming(57n), 'model_invalid', 'more than the file has'],
    [
      'a header that is not JSON',
      safetensorsOf('{"embeddings":', Buffer.alloc(8)),
      'model_invalid',
      'not JSON',
    ],
    ['a header that is a list', safetensorsOf('[]', Buffer.alloc(8)), 'model_invalid', 'not a JSON object'],
    [
      'a header that is not UTF-8',
      Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff]),
      'model_invalid',
      'not JSON',
    ],
    ['no table', header({ __metadata__: { format: 'pt' } }), 'model_invalid', 'no tensor "embeddings"'],
    [
      'a tensor without offsets',
      header({ embeddings: { dtype: 'F32', shape: [7, 3] } }),
      'model_invalid',
      'data_offsets',
    ],
    [
      'offsets past the end',
      header({ embeddings: { ...embeddings, data_offsets: [0, 96] } }),
      'model_invalid',
      'cut off',
    ],
    [
      'offsets that run backwards',
      header({ embeddings: { ...embeddings, data_offsets: [84, 0] } }),
      'model_invalid',
      '84 to 0',
    ],
    [
      'negative offsets',
      header({ embeddings: { ...embeddings, data_offsets: [-4, 80] } }),
      'model_invalid',
      'data_offsets',
    ],
    [
      'a shape that is not its bytes',
      header({ embeddings: { ...embeddings, shape: [7, 4] } }),
      'model_invalid',
      'not its shape',
    ],
    [
      'a shape of astronomic size',
      header({ embeddings: { ...embeddings, shape: [2 ** 40, 2 ** 40] } }),
      'model_invalid',
      'not its shape',
    ],
    [
      'a table of one dimension',
      header({ embeddings: { ...embeddings, shape: [21] } }),
      'model_invalid',
      '2 dimensions',
    ],
    [
      'a table of another vocabulary',
      header({ embeddings: { ...embeddings, shape: [3, 7] } }),
      'model_invalid',
      'for 3 tokens',
    ],
    [
      'numbers of a type not read',
      header({ embeddings: { ...embeddings, dtype: 'U32' } }),
      'model_unsupported',
      'as U32',
    ],
    [
      'numbers of a type not known',
      header({ embeddings: { ...embeddings, dtype: 'F4' } }),
      'model_unsupported',
      'as F4',
    ],
    [
      'a table without columns',
      header({ embeddings: { ...embeddings, shape: [7, 0], data_offsets: [0, 0] } }),
      'model_invalid',
      'impossible',
    ],
  ])('of a model.safetensors with %s', async (_name, content, code, words) => {
    await writeModelFolder(folder, modelWith({}));
    await writeFile(join(folder, 'model.safetensors'), content);
    const error = await openingError(folder);
    expect(error.code).toBe(code);
    expect(error.message).toContain(join(folder, 'model.safetensors'));
    expect(error.message).toContain(words);
  });

  it.each<[string, Record<string, TensorContent>, string, string]>([
    [
      'weights for too few tokens',
      { weights: { dtype: 'F32', shape: [6], values: weightsOf(6) } },
      'model_invalid',
      '"weights" for 6 tokens',
    ],
    [
      'weights in a table',
      { weights: { dtype: 'F32', shape: [7, 1], values: weightsOf(7) } },
      'model_invalid',
      '1 dimension is',
    ],
    [
      'a mapping for too few tokens',
      { mapping: { dtype: 'I32', shape: [2], values: [0, 1] } },
      'model_invalid',
      '"mapping" for 2 tokens',
    ],
    [
      'a mapping to a missing row',
      { mapping: { dtype: 'I32', shape: [7], values: [0, 0, 0, 0, 0, 0, 7] } },
      'model_invalid',
      'its 7 rows',
    ],
    [
      'a mapping to a negative row',
      { mapping: { dtype: 'I64', shape: [7], values: [0, 0, 0, 0, 0, 0, -1] } },
      'model_invalid',
      'its 7 rows',
    ],
    [
      'a mapping to a row beyond 32 bits',
      { mapping: { dtype: 'I64', shape: [7], values: [0, 0, 0, 0, 0, 0, 2 ** 32] } },
      'model_invalid',
      'its 7 rows',
    ],
    [
      'a mapping of floats',
      { mapping: { dtype: 'F32', shape: [7], values: weightsOf(7) } },
      'model_unsupported',
      'I32, I64',
    ],
    [
      'weights of integers',
      { weights: { dtype: 'I64', shape: [7], values: [1, 1, 1, 1, 1, 1, 1] } },
      'model_unsupported',
      'as I64',
    ],
  ])('of a model with %s', async (_name, tensors, code, words) => {
    const model = modelWith({});
    await writeModelFolder(folder, { ...model, tensors: { ...model.tensors, ...tensors } });
    const error = await openingError(folder);
    expect(error.code).toBe(code);
    expect(`${error.message} ${error.hint}`).toContain(words);
  });

  it('of a file cut off in the middle', async () => {
    await cp(SHIPPED, folder, { recursive: true });
    await truncate(join(folder, 'model.safetensors'), 4_000_000);
    const error = await openingError(folder);
    expect(error.code).toBe('model_invalid');
    expect(error.message).toContain('cut off');
  });
});

it('reads tensors that do not start at a multiple of their size', async () => {
  const model = modelWith({});
  const file = Buffer.from(safetensorsFile(model.tensors));
  const headerLength = Number(file.readBigUInt64LE(0));
  const offsets = JSON.parse(file.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { data_offsets: number[] }
  >;
  for (const tensor of Object.values(offsets)) tensor.data_offsets = tensor.data_offsets.map((at) => at + 3);
  const shifted = Buffer.concat([Buffer.alloc(3), file.subarray(8 + headerLength)]);
  await writeModelFolder(folder, model);
  await using aligned = await openStaticProvider({ model: folder });
  const before = await aligned.embed(['a b c']);
  await writeFile(join(folder, 'model.safetensors'), safetensorsOf(JSON.stringify(offsets), shifted));
  await using provider = await openStaticProvider({ model: folder });
  expect(await provider.embed(['a b c'])).toEqual(before);
});
