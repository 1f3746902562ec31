import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { LocalProviderConfig } from '../../config/provider-config.ts';
import type { CallOptions } from '../../ports/database.ts';
import { isJsonObject, readJsonObject, readJsonValue } from './json-file.ts';
import type { JsonObject } from './json-file.ts';
import { knownFamily } from './known-families.ts';
import { modelInvalid, modelNotFound, modelUnsupported } from './local-errors.ts';
import {
  CONFIG_FILE,
  LENGTH_FILE,
  MODULES_FILE,
  POOLING_FILE,
  PROMPTS_FILE,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
  externalDataFiles,
  weightsFile,
} from './model-layout.ts';
import type { Pooling } from './pooling.ts';
import { readPooling } from './read-pooling.ts';
import { readPrompts } from './read-prompts.ts';
import type { Prefixes } from './read-prompts.ts';
import { readSpecialTokens } from './special-tokens.ts';
import type { SpecialTokens } from './special-tokens.ts';
import { readTokenLimit } from './token-limit.ts';

/** What the files of a model say about it, weights aside. */
export interface ModelDescription {
  folder: string;
  /** Parsed `tokenizer.json` and where it was read from. */
  tokenizer: { path: string; json: JsonObject };
  specialTokens: SpecialTokens;
  padId: number;
  pooling: Pooling;
  /** Steps after pooling that the weights may lack, such as `Dense`. */
  furtherModules: string[];
  prefixes: Prefixes;
  /** Tokens that the model takes at once, special ones and prefix included. */
  tokenLimit: number;
  /** Bytes of the weights. */
  weightsBytes: number;
}

/**
 * Reads the files beside the weights in a folder as transformers.js and sentence-transformers lay it out. What the
 * provider's config says goes first, then what the files say, then what is known of the model's family.
 *
 * @throws {VecpipeError} usage: `model_not_found`, `model_invalid` or `model_unsupported`; the signal's reason when
 * aborted
 */
export async function describeModel(
  folder: string,
  config: LocalProviderConfig,
  options: CallOptions,
): Promise<ModelDescription> {
  await checkFolder(folder);
  const read = (name: string) => readJsonObject(join(folder, name), options);
  const modelConfig = await required(folder, CONFIG_FILE, options);
  const weightsBytes = await sizeOfWeights(folder, modelConfig, config);
  const tokenizer = await required(folder, TOKENIZER_FILE, options);
  const tokenizerPath = join(folder, TOKENIZER_FILE);
  const specialTokens = readSpecialTokens(tokenizer);
  if (specialTokens === null) {
    throw modelUnsupported(
      `the tokenizer file ${tokenizerPath} puts special tokens around a text in a way that vecpipe does not know`,
      'use a model whose tokenizer has a post_processor of kind TemplateProcessing, BertProcessing or RobertaProcessing',
    );
  }
  const modules = await readJsonValue(join(folder, MODULES_FILE), options);
  const family = knownFamily(basename(config.model)) ?? knownFamily(config.modelId);
  const pooling =
    config.pooling ??
    readPooling(join(folder, POOLING_FILE), await read(POOLING_FILE)) ??
    family?.pooling ??
    'mean';
  return {
    folder,
    tokenizer: { path: tokenizerPath, json: tokenizer },
    specialTokens,
    padId: padIdOf(modelConfig, tokenizer),
    pooling,
    furtherModules: furtherModules(modules),
    prefixes: readPrompts(config, await read(PROMPTS_FILE), family),
    tokenLimit: readTokenLimit({
      config: modelConfig,
      tokenizerConfig: await read(TOKENIZER_CONFIG_FILE),
      sentenceConfig: await read(LENGTH_FILE),
    }),
    weightsBytes,
  };
}

async function checkFolder(folder: string): Promise<void> {
  const status = await stat(folder).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : `cannot be read: ${code ?? ''}`;
    throw modelNotFound(`the model folder ${folder} ${what}`, undefined, error);
  });
  if (!status.isDirectory()) throw modelNotFound(`the model folder ${folder} is not a folder`);
}

async function required(folder: string, name: string, options: CallOptions): Promise<JsonObject> {
  const json = await readJsonObject(join(folder, name), options);
  if (json !== null) return json;
  throw modelNotFound(`the model folder ${folder} has no ${name}`);
}

async function sizeOfWeights(
  folder: string,
  modelConfig: JsonObject,
  { dtype }: LocalProviderConfig,
): Promise<number> {
  let bytes = 0;
  for (const name of [weightsFile(dtype), ...externalDataFiles(modelConfig, dtype)]) {
    const status = await stat(join(folder, name)).catch(() => null);
    if (!status?.isFile()) {
      throw modelNotFound(
        `the model folder ${folder} has no ${name}, the weights of dtype ${dtype}`,
        'set `dtype:` of the provider to weights that the folder has (fp32 is onnx/model.onnx), or add the file',
      );
    }
    bytes += status.size;
  }
  if (bytes === 0) throw modelInvalid(join(folder, weightsFile(dtype)), 'is empty');
  return bytes;
}

function padIdOf(config: JsonObject, tokenizer: JsonObject): number {
  const padding = tokenizer['padding'];
  const ids = [config['pad_token_id'], isJsonObject(padding) ? padding['pad_id'] : undefined];
  return ids.find((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0) ?? 0;
}

/** Kinds of modules in `modules.json` besides the three that every model may have. */
function furtherModules(modules: unknown): string[] {
  if (!Array.isArray(modules)) return [];
  return (modules as unknown[])
    .map((module) => (isJsonObject(module) && typeof module['type'] === 'string' ? module['type'] : ''))
    .map((type) => type.slice(type.lastIndexOf('.') + 1))
    .filter((type) => !['Transformer', 'Pooling', 'Normalize', ''].includes(type));
}
