import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalProviderConfig } from '../config/provider-config.ts';
import { shownFile } from '../config/shown-file.ts';
import type { CallOptions } from '../ports/database.ts';
import { fail, ok, shownBytes } from './check.ts';
import type { Finding } from './check.ts';
import { nearestFolder, writingProblem } from './disk-space.ts';

/** The folder of a local provider's model, or of all downloaded models; whether the model in it works is another check. */
export async function checkModelCache(
  config: LocalProviderConfig,
  workingDirectory: string,
  { signal }: CallOptions = {},
): Promise<Finding> {
  const { modelFrom, model, cacheFolder, isOffline, name } = config;
  const folder = modelFrom === 'folder' ? model : cacheFolder;
  const shown = shownFile(folder, workingDirectory);
  if (existsSync(folder)) return ok(`${shown} holds ${shownBytes(await folderSize(folder, signal))}`);
  if (modelFrom === 'folder') return fail(`${shown} does not exist`, `correct providers.${name}.model`);
  if (isOffline) {
    return fail(
      `${shown} does not exist, and offline says that nothing may be downloaded`,
      `copy the models there, or correct providers.${name}.cache`,
    );
  }
  const parent = await nearestFolder(folder);
  const problem = await writingProblem(parent);
  if (problem === null) return ok(`${shown} will be made by the first download`);
  return fail(
    `${shown} cannot be made: ${parent} ${problem}`,
    `make it writable, or set providers.${name}.cache to another folder`,
  );
}

/** Bytes of all files in a folder. A file that goes meanwhile counts nothing. */
async function folderSize(folder: string, signal: AbortSignal | undefined): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true })) {
    signal?.throwIfAborted();
    const found = await stat(join(folder, name)).catch(() => null);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}
