import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { usageError } from '../errors/vecpipe-error.ts';
import { waitOrAbort } from '../lifetime/abort.ts';
import { errorMessage } from '../util/error-message.ts';
import type { ConfigDocument } from './config-document.ts';
import { readScriptDocument } from './script-document.ts';
import { readYamlDocument } from './yaml-document.ts';

/**
 * Reads a config file by its extension.
 * @throws {VecpipeError} usage `config_unreadable` or `config_invalid`; the signal's reason when aborted
 */
export async function readConfigFile(
  file: string,
  shownFile: string,
  signal: AbortSignal | undefined,
): Promise<ConfigDocument> {
  const extension = extname(file).toLowerCase();
  switch (extension) {
    case '.yaml':
    case '.yml':
    case '.json': {
      const text = await readText(file, shownFile, signal);
      return readYamlDocument({ file, shownFile, text, isJson: extension === '.json' });
    }
    case '.js':
    case '.mjs':
    case '.ts':
      return readScriptDocument(file, shownFile, signal);
    default:
      throw usageError(
        'config_unreadable',
        `${shownFile} is not a config file: its name must end in .yaml, .yml, .json, .js, .mjs or .ts`,
      );
  }
}

async function readText(file: string, shownFile: string, signal: AbortSignal | undefined): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await waitOrAbort(readFile(file), signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw usageError(
      'config_unreadable',
      `${shownFile} cannot be read: ${errorMessage(error)}`,
      undefined,
      error,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw usageError('config_unreadable', `${shownFile} is not UTF-8 text`, 'Save it as UTF-8.', error);
  }
}
