import { readFile, stat } from 'node:fs/promises';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import type { CallOptions } from '../../ports/database.ts';
import { modelInvalid, modelNotFound } from './local-errors.ts';

export type JsonObject = Record<string, unknown>;

/** Tokenizers of a quarter of a million tokens have 17 MB. */
const MAX_BYTES = 128 * 1024 * 1024;

/**
 * An object from a JSON file of a model; null when there is no such file.
 * @throws {VecpipeError} usage: `model_not_found` when it cannot be read, `model_invalid` when it is no JSON object
 */
export async function readJsonObject(path: string, { signal }: CallOptions): Promise<JsonObject | null> {
  const value = await readJsonValue(path, { ...(signal && { signal }) });
  if (value === undefined) return null;
  if (isJsonObject(value)) return value;
  throw modelInvalid(path, 'is not a JSON object');
}

/** Any value from a JSON file of a model; undefined when there is no such file. Throws as `readJsonObject` does. */
export async function readJsonValue(path: string, { signal }: CallOptions): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw modelInvalid(path, `has ${size} bytes, more than vecpipe reads`);
    text = await readFile(path, { encoding: 'utf8', ...(signal && { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (error instanceof VecpipeError) throw error;
    throw modelNotFound(`the model file ${path} cannot be read: ${code ?? String(error)}`, undefined, error);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw modelInvalid(path, 'is not JSON', error);
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
