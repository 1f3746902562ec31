import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nearestFolder, writingProblem } from './disk-space.ts';
import { fail, ok } from './check.ts';
import type { Finding } from './check.ts';

/** Whether the embedded database was made already. Opening one that was not would make it. */
export function hasEmbeddedDatabase(folder: string): boolean {
  return existsSync(join(folder, 'PG_VERSION'));
}

/**
 * Says whether the embedded database can be made in a folder where there is none yet, without making it.
 * @param choice why and where, for people
 */
export async function checkFutureDatabase(folder: string, choice: string): Promise<Finding> {
  const fix = 'make the folder writable, or choose another one with VECPIPE_HOME';
  if (existsSync(folder) && (await readdir(folder)).length > 0) {
    return fail(
      `${folder} holds something other than an embedded database`,
      'move it away, or choose another place with VECPIPE_HOME',
    );
  }
  const parent = await nearestFolder(dirname(folder));
  const problem = await writingProblem(parent);
  if (problem !== null) return fail(`${choice}, but ${parent} ${problem}`, fix);
  return ok(`will be made by the first command that needs it: ${choice}`);
}
