import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { usageError } from '../errors/vecpipe-error.ts';
import type { Environment } from './env.ts';

/** Names that are looked for, one to a folder. */
export const CONFIG_FILE_NAMES = ['yaml', 'yml', 'json', 'js', 'mjs', 'ts'].map(
  (extension) => `vecpipe.config.${extension}`,
);

export interface ConfigSearch {
  /** Value of `--config`, if it was given. */
  flag: string | undefined;
  environment: Environment;
  /** Absolute. */
  workingDirectory: string;
  signal: AbortSignal | undefined;
}

/**
 * The absolute path of the config file: the one that `--config` or else VECPIPE_CONFIG names, or else the only
 * `vecpipe.config.*` of the nearest folder that has one, from the working directory upwards; null when there is
 * none.
 * @throws {VecpipeError} usage `config_not_found`, `config_unreadable`, `config_ambiguous` or `config_untrusted`
 */
export async function findConfigFile(search: ConfigSearch): Promise<string | null> {
  const { flag, environment, workingDirectory } = search;
  if (flag !== undefined) return namedFile(flag, '--config', workingDirectory);
  if (environment.configFile !== null)
    return namedFile(environment.configFile, 'VECPIPE_CONFIG', workingDirectory);
  for (let folder = workingDirectory; ; folder = dirname(folder)) {
    search.signal?.throwIfAborted();
    const [file, other] = await configFilesIn(folder);
    if (file !== undefined && other !== undefined) {
      throw usageError(
        'config_ambiguous',
        `${folder} has both ${basename(file)} and ${basename(other)}; there must be one config file`,
        'Remove one, or name the one you mean with --config.',
      );
    }
    if (file !== undefined) {
      if (folder !== workingDirectory) await refuseForeignFile(folder, file);
      return file;
    }
    if (dirname(folder) === folder) return null;
  }
}

async function namedFile(name: string, origin: string, workingDirectory: string): Promise<string> {
  const file = resolve(workingDirectory, name);
  const found = name === '' ? null : await statOrNull(file);
  if (!found) {
    throw usageError('config_not_found', `the config file "${name}" that ${origin} names does not exist`);
  }
  if (!found.isFile())
    throw usageError('config_unreadable', `"${name}", which ${origin} names, is not a file`);
  return file;
}

async function configFilesIn(folder: string): Promise<string[]> {
  const files = CONFIG_FILE_NAMES.map((name) => join(folder, name));
  const found = await Promise.all(files.map(async (file) => (await statOrNull(file))?.isFile() === true));
  return files.filter((_file, index) => found[index]);
}

/**
 * A config decides where rows are sent, and a script is run: one that lies in a folder above, which anybody may
 * write to (such as /tmp), and belongs to someone else is not taken without being named.
 */
async function refuseForeignFile(folder: string, file: string): Promise<void> {
  const user = process.getuid?.();
  if (user === undefined) return;
  const [folderStats, fileStats] = await Promise.all([statOrNull(folder), statOrNull(file)]);
  if (!folderStats || !fileStats) return;
  const isOpenToAll = (folderStats.mode & 0o002) !== 0;
  if (!isOpenToAll || fileStats.uid === user || fileStats.uid === 0) return;
  throw usageError(
    'config_untrusted',
    `${file} belongs to another user and lies in a folder that everybody can write to, so it is not used unasked`,
    'Name it with --config if you trust it.',
  );
}

async function statOrNull(file: string): Promise<Stats | null> {
  try {
    return await stat(file);
  } catch {
    // Missing, or in a folder that may not be looked into: not there for this user.
    return null;
  }
}
