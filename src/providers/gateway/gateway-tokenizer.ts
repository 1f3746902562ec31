import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { usageError } from '../../errors/vecpipe-error.ts';
import type { CallOptions } from '../../ports/database.ts';
import type { Tokenizer } from '../../ports/embedding-provider.ts';
import { openTokenizer } from '../tokenizer/open-tokenizer.ts';
import { estimatedTokenizer } from './estimated-tokenizer.ts';

/** Far above any tokenizer there is. */
const MAX_BYTES = 128 * 1024 * 1024;

/**
 * The tokenizer that a provider's config names, or an estimate where it names none.
 *
 * @param path absolute, of a tokenizer.json or of a folder that has one
 * @throws {VecpipeError} usage: `tokenizer_unreadable` when there is no such file or it is no JSON; `model_invalid` or
 * `model_unsupported` for what is in it; the signal's reason when aborted
 */
export async function openGatewayTokenizer(
  providerName: string,
  path: string | null,
  { signal }: CallOptions,
): Promise<Tokenizer> {
  if (path === null) return estimatedTokenizer;
  const file = await findFile(providerName, path);
  signal?.throwIfAborted();
  const text = await readFile(file, { encoding: 'utf8', ...(signal && { signal }) }).catch(
    (error: unknown) => {
      signal?.throwIfAborted();
      throw unreadable(providerName, file, 'cannot be read', error);
    },
  );
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw unreadable(providerName, file, 'is not JSON', error);
  }
  return await openTokenizer(parsed, file);
}

async function findFile(providerName: string, path: string): Promise<string> {
  const found = await statusOf(providerName, path);
  if (!found.isDirectory()) return checkSize(providerName, path, found.size);
  const file = join(path, 'tokenizer.json');
  return checkSize(providerName, file, (await statusOf(providerName, file)).size);
}

function checkSize(providerName: string, file: string, bytes: number): string {
  if (bytes > MAX_BYTES) throw unreadable(providerName, file, `has ${bytes} bytes, which no tokenizer has`);
  return file;
}

async function statusOf(providerName: string, path: string) {
  return stat(path).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    throw unreadable(providerName, path, isMissing ? 'does not exist' : 'cannot be read', error);
  });
}

function unreadable(providerName: string, file: string, what: string, cause?: unknown) {
  return usageError(
    'tokenizer_unreadable',
    `the tokenizer of provider ${providerName}, ${file}, ${what}`,
    'set `tokenizer` of the provider to a tokenizer.json or a folder with one, or leave it out for an estimate',
    cause,
  );
}
