import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CallOptions } from '../../ports/database.ts';
import type { ModelTokenizer } from '../tokenizer/model-tokenizer.ts';
import { openTokenizer } from '../tokenizer/open-tokenizer.ts';
import { readEmbeddingTable } from './embedding-table.ts';
import type { EmbeddingTable } from './embedding-table.ts';
import { cannotOpen, invalidModel, modelNotFound } from './model-errors.ts';
import { openFile, readFile } from './read-file.ts';
import { readSafetensors } from './safetensors.ts';

export interface StaticModel {
  /** Folder name and a hash over weights and tokenizer. */
  modelId: string;
  /** Null when there is no limit. */
  maxInputTokens: number | null;
  tokenizer: ModelTokenizer;
  table: EmbeddingTable;
}

// Far above any model of this kind (500,000 tokens of 256 floats are 512 MB), far below what would hurt a machine
// without being noticed.
const MAX_CONFIG_BYTES = 1024 * 1024;
const MAX_TOKENIZER_BYTES = 128 * 1024 * 1024;
const MAX_WEIGHTS_BYTES = 1024 * 1024 * 1024;

/** Model2Vec's limit for a model that does not say. */
const DEFAULT_MAX_LENGTH = 512;
const HASH_CHARACTERS = 12;

/**
 * Reads a folder in Model2Vec format: `config.json`, `tokenizer.json` and `model.safetensors`. Of the config only
 * `max_length` counts. `normalize: false` is not followed: the port promises unit length, stores compare by
 * cosine, and the direction is the same.
 *
 * @throws {VecpipeError} usage: `model_not_found`, `model_invalid` or `model_unsupported`; the signal's reason
 * when aborted
 */
export async function readModelFolder(folder: string, options: CallOptions): Promise<StaticModel> {
  options.signal?.throwIfAborted();
  await checkFolder(folder);
  const config = await readJson(join(folder, 'config.json'), MAX_CONFIG_BYTES, options);
  const tokenizerFile = await readJson(join(folder, 'tokenizer.json'), MAX_TOKENIZER_BYTES, options);
  const tokenizer = await openTokenizer(tokenizerFile.json, tokenizerFile.path);

  await using weightsFile = await openFile(join(folder, 'model.safetensors'), MAX_WEIGHTS_BYTES);
  const weights = await readSafetensors(weightsFile, options);
  // The config is left out of the hash: nothing in it changes the vector of a text.
  const hash = createHash('sha256').update(tokenizerFile.bytes).update(weights.header).update(weights.data);
  return {
    modelId: `${basename(folder)}@${hash.digest('hex').slice(0, HASH_CHARACTERS)}`,
    maxInputTokens: readMaxLength(config),
    tokenizer,
    table: readEmbeddingTable(weightsFile.path, weights, tokenizer.idLimit),
  };
}

interface JsonFile {
  path: string;
  bytes: Uint8Array;
  json: unknown;
}

async function checkFolder(folder: string): Promise<void> {
  const status = await stat(folder).catch((error: unknown) => {
    throw cannotOpen(`the model folder ${folder}`, error);
  });
  if (!status.isDirectory()) throw modelNotFound(`the model folder ${folder} is not a folder`);
}

async function readJson(path: string, maxBytes: number, options: CallOptions): Promise<JsonFile> {
  const bytes = await readFile(path, maxBytes, options);
  try {
    return { path, bytes, json: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch (error) {
    throw invalidModel(path, 'is not JSON', error);
  }
}

function readMaxLength({ path, json }: JsonFile): number | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalidModel(path, 'is not a JSON object');
  }
  const { max_length: maxLength = DEFAULT_MAX_LENGTH } = json as Record<string, unknown>;
  if (maxLength === null) return null;
  if (Number.isSafeInteger(maxLength) && (maxLength as number) > 0) return maxLength as number;
  throw invalidModel(path, 'has a "max_length" that is neither null nor a whole number above 0');
}
