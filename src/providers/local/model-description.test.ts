import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { localConfig } from '../../../test/helpers/provider-configs.ts';
import type { LocalProviderConfig } from '../../config/provider-config.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { describeModel } from './model-description.ts';

const TINY = fileURLToPath(new URL('../../../fixtures/tiny-model', import.meta.url));

function configWith(changes: Partial<LocalProviderConfig> = {}): LocalProviderConfig {
  return localConfig({
    name: 'here',
    model: TINY,
    modelFrom: 'folder',
    modelId: 'tiny-model',
    hub: { url: 'http://127.0.0.1:9', token: null },
    cacheFolder: tmpdir(),
    isOffline: true,
    workers: 1,
    threads: 1,
    ...changes,
  });
}

/** The tiny model with files changed: an object is written as JSON, a text as it is, null deletes. */
async function changedModel(files: Record<string, unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-local-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(TINY, folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (content === null) await rm(path);
    else await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

async function describeChanged(files: Record<string, unknown>, config: Partial<LocalProviderConfig> = {}) {
  return describeModel(await changedModel(files), configWith(config), {});
}

async function failureOf(files: Record<string, unknown>, config: Partial<LocalProviderConfig> = {}) {
  const error: unknown = await describeChanged(files, config).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'VecpipeError', family: 'usage', hint: expect.any(String) as string });
  return error as VecpipeError;
}

test('reads what the files of a model say', async () => {
  expect(await describeModel(TINY, configWith(), {})).toMatchObject({
    folder: TINY,
    specialTokens: { before: [2], after: [3] },
    padId: 0,
    pooling: 'mean',
    furtherModules: [],
    prefixes: { query: '', passage: '' },
    tokenLimit: 64,
  });
});

test.each([
  [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, null, 'cls'],
  [{ pooling_mode_mean_sqrt_len_tokens: true }, null, 'mean'],
  [{ pooling_mode: 'cls' }, null, 'cls'],
  [{ pooling_mode_cls_token: true }, 'mean', 'mean'],
  [{ pooling_mode_lasttoken: true }, 'cls', 'cls'],
  [{}, null, 'mean'],
] as const)('pools as %j and the config (%s) say: %s', async (file, pooling, expected) => {
  const model = await describeChanged({ '1_Pooling/config.json': file }, { pooling });
  expect(model.pooling).toBe(expected);
});

test('pools by the first token in a family that does, where the files do not say', async () => {
  const modelId = 'Xenova/bge-small-en-v1.5';
  expect((await describeChanged({ '1_Pooling/config.json': null }, { modelId })).pooling).toBe('cls');
  expect((await describeChanged({}, { modelId })).pooling).toBe('mean');
});

test.each([
  { pooling_mode_lasttoken: true },
  { pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true },
])('does not have the pooling %j', async (file) => {
  const error = await failureOf({ '1_Pooling/config.json': file });
  expect(error.code).toBe('model_unsupported');
  expect(error.message).toMatch(/asks for pooling by (lasttoken|mean_tokens and max_tokens)/);
});

const PROMPTS = 'config_sentence_transformers.json';

test.each([
  ['intfloat/e5-small-v2', 'query: ', 'passage: '],
  ['Xenova/multilingual-e5-base', 'query: ', 'passage: '],
  ['Xenova/bge-base-en-v1.5', 'Represent this sentence for searching relevant passages: ', ''],
  ['Xenova/all-MiniLM-L6-v2', '', ''],
  ['Xenova/bge-m3', '', ''],
])('knows the prefixes of %s', async (modelId, query, passage) => {
  expect((await describeChanged({}, { modelId })).prefixes).toEqual({ query, passage });
});

test('knows that an instructed e5 wants another prefix', async () => {
  const { prefixes } = await describeChanged({}, { modelId: 'intfloat/multilingual-e5-large-instruct' });
  expect(prefixes.query).toMatch(/^Instruct: .+\nQuery: $/);
  expect(prefixes.passage).toBe('');
});

test('takes the prompts of the model over what is known of its family, and the config over both', async () => {
  const files = { [PROMPTS]: { prompts: { query: 'q: ', document: 'd: ' } } };
  const modelId = 'e5-small-v2';
  expect((await describeChanged(files, { modelId })).prefixes).toEqual({ query: 'q: ', passage: 'd: ' });
  expect((await describeChanged(files, { modelId, queryPrefix: '' })).prefixes).toEqual({
    query: '',
    passage: 'd: ',
  });
  expect(
    (await describeChanged({ [PROMPTS]: { prompts: { query: '', document: '' } } }, { modelId })).prefixes,
  ).toEqual({
    query: 'query: ',
    passage: 'passage: ',
  });
  const byDefault = { prompts: { any: 'x: ', query: 'q: ' }, default_prompt_name: 'any' };
  expect((await describeChanged({ [PROMPTS]: byDefault })).prefixes).toEqual({
    query: 'q: ',
    passage: 'x: ',
  });
});

const LIMITS = 'tokenizer_config.json';

test.each([
  ['the tokenizer', { [LIMITS]: { model_max_length: 20 } }, 20],
  ['the positions', { [LIMITS]: { model_max_length: 1e30 } }, 64],
  ['sentence-transformers', { 'sentence_bert_config.json': { max_seq_length: 32 } }, 32],
  ['nobody', { [LIMITS]: null, 'config.json': { model_type: 'bert' } }, 512],
  [
    'positions behind that of padding',
    {
      [LIMITS]: null,
      'config.json': { model_type: 'xlm-roberta', max_position_embeddings: 514, pad_token_id: 1 },
    },
    512,
  ],
])('takes the limit of tokens from %s', async (_name, files, expected) => {
  expect((await describeChanged(files)).tokenLimit).toBe(expected);
});

test('notices modules that weights may leave out', async () => {
  const modules = ['Transformer', 'Pooling', 'Dense', 'Normalize'].map((kind) => ({
    type: `sentence_transformers.models.${kind}`,
  }));
  expect((await describeChanged({ 'modules.json': modules })).furtherModules).toEqual(['Dense']);
});

test.each([
  ['a missing config', { 'config.json': null }, {}, 'model_not_found', /has no config\.json$/],
  ['a missing tokenizer', { 'tokenizer.json': null }, {}, 'model_not_found', /has no tokenizer\.json$/],
  [
    'missing weights',
    {},
    { dtype: 'fp16' },
    'model_not_found',
    /has no onnx\/model_fp16\.onnx, the weights of/,
  ],
  ['empty weights', { 'onnx/model_quantized.onnx': '' }, {}, 'model_invalid', /is empty$/],
  ['a config cut off', { 'config.json': '{"model_type":' }, {}, 'model_invalid', /config\.json is not JSON$/],
  ['a config of another kind', { 'config.json': '[]' }, {}, 'model_invalid', /is not a JSON object$/],
  [
    'an unknown post-processor',
    { 'tokenizer.json': { model: {}, post_processor: { type: 'X' } } },
    {},
    'model_unsupported',
    /in a way that vecpipe does not know$/,
  ],
] as const)('names %s', async (_name, files, config, code, message) => {
  const error = await failureOf(files, config);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test('names parts of split weights that are missing', async () => {
  const config = { 'transformers.js_config': { use_external_data_format: { 'model_quantized.onnx': 2 } } };
  const files = { 'config.json': config, 'onnx/model_quantized.onnx_data': 'x' };
  expect((await failureOf(files)).message).toContain('has no onnx/model_quantized.onnx_data_1');
});

test.each([
  ['missing', join(TINY, 'absent'), /absent does not exist$/],
  ['a file', join(TINY, 'config.json'), /config\.json is not a folder$/],
])('says of a folder that it is %s', async (_name, folder, message) => {
  const error: unknown = await describeModel(folder, configWith(), {}).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'model_not_found', message: expect.stringMatching(message) as string });
});

test('stops when it is aborted', async () => {
  const reason = new Error('enough');
  await expect(describeModel(TINY, configWith(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
