import { pathToFileURL } from 'node:url';
import { usageError } from '../errors/vecpipe-error.ts';
import { waitOrAbort } from '../lifetime/abort.ts';
import { errorMessage } from '../util/error-message.ts';
import type { ConfigDocument } from './config-document.ts';
import { isSection } from './is-section.ts';
import { plainValue } from './plain-value.ts';
import type { ConfigPath } from './problem.ts';

/**
 * Runs a `.js`, `.mjs` or `.ts` config and takes its default export, which must be an object. Nothing is known of
 * lines. A script that was loaded once in this process is not read again.
 * @throws {VecpipeError} usage `config_unreadable` when it fails to load or has no default export; the signal's
 *   reason when aborted
 */
export async function readScriptDocument(
  file: string,
  shownFile: string,
  signal: AbortSignal | undefined,
): Promise<ConfigDocument> {
  const exported = await waitOrAbort(load(file, shownFile), signal);
  if (!('default' in exported)) {
    throw usageError(
      'config_unreadable',
      `${shownFile} has no default export`,
      'Write `export default { entities: { … } };` in it.',
    );
  }
  const written = exported['default'];
  if (typeof written === 'function' || written instanceof Promise) {
    const kind = typeof written === 'function' ? 'function' : 'promise';
    throw usageError(
      'config_unreadable',
      `the default export of ${shownFile} is a ${kind}; it must be an object`,
      'A module may use await at its top level and export the result.',
    );
  }
  const { value, problems } = plainValue(written);
  return { file, shownFile, value, problems, lineOf: () => null, keysOf: (path) => keysAt(value, path) };
}

async function load(file: string, shownFile: string): Promise<Record<string, unknown>> {
  try {
    if (!file.endsWith('.ts')) {
      return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    }
    const { createJiti } = await import('jiti');
    // Without a cache no file is left behind; a config is compiled in milliseconds.
    const jiti = createJiti(import.meta.url, { fsCache: false, interopDefault: false });
    const exported = await jiti.import<Record<string, unknown>>(file);
    // `module.exports = …` has no default of its own.
    return 'default' in exported || '__esModule' in exported ? exported : { default: exported };
  } catch (error) {
    // Resolution errors go on with a stack of modules after the first line.
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw usageError(
      'config_unreadable',
      `${shownFile} cannot be loaded: ${errorMessage(reason)}`,
      undefined,
      error,
    );
  }
}

function keysAt(value: unknown, path: ConfigPath): string[] {
  let section: unknown = value;
  for (const segment of path) section = isSection(section) ? section[segment] : undefined;
  return isSection(section) ? Object.keys(section) : [];
}
