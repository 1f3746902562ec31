import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { usageError } from '../../errors/vecpipe-error.ts';
import { displayPath, folderError } from './folder-error.ts';
import { PgliteEngine } from './pglite-engine.ts';

/** Major version of the Postgres inside PGlite; a folder of another one cannot be opened. */
export const EMBEDDED_MAJOR_VERSION = '18';

/**
 * Opens the database in a folder, and creates it first where there is none. The caller holds the folder's lock.
 * pgvector is there to be created as an extension.
 * @throws {VecpipeError} `usage` when the folder holds something else or cannot be used
 */
export async function openPgliteFolder(
  folder: string,
  signal: AbortSignal | undefined,
  minimumFreeBytes?: number,
): Promise<PgliteEngine> {
  try {
    if (!existsSync(join(folder, 'PG_VERSION'))) {
      await createPgliteFolder(folder);
      signal?.throwIfAborted();
    }
    await assertVersion(folder);
  } catch (error) {
    throw folderError(error, folder);
  }
  return PgliteEngine.start(folder, folder, minimumFreeBytes);
}

/**
 * Creates a database beside its place and moves it there when it is complete, so that a process that is killed
 * meanwhile (creation takes seconds) leaves nothing that could be mistaken for a database.
 */
async function createPgliteFolder(folder: string): Promise<void> {
  await assertFree(folder);
  const draft = `${folder}.creating`;
  await rm(draft, { recursive: true, force: true });
  try {
    await mkdir(dirname(draft), { recursive: true });
    await (await PgliteEngine.start(draft, folder)).close();
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** An empty folder is fine, and removed to make room. */
async function assertFree(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  if ((await readdir(folder)).length === 0) {
    await rmdir(folder);
    return;
  }
  throw usageError(
    'database_folder_unusable',
    `${displayPath(folder)} holds something other than an embedded database`,
    'Move it away, or choose another place with VECPIPE_HOME.',
  );
}

async function assertVersion(folder: string): Promise<void> {
  const version = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim();
  if (version === EMBEDDED_MAJOR_VERSION) return;
  throw usageError(
    'database_folder_version',
    `the embedded database in ${displayPath(folder)} was made by Postgres ${version}, and this vecpipe embeds Postgres ${EMBEDDED_MAJOR_VERSION}`,
    'Use the vecpipe version that made it, or move the folder away and sync and vectorize again.',
  );
}
