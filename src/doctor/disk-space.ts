import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail, ok, shownBytes, warn } from './check.ts';
import type { Finding } from './check.ts';

const GIGABYTE = 1024 ** 3;

export interface DiskNeed {
  /** For people. */
  shown: string;
  /** Less than this and nothing can be written; null where that depends. */
  minimumBytes: number | null;
}

/** Free space on the disk of a folder, or of the one that it would be made in. */
export async function checkDiskSpace(folder: string, need: DiskNeed): Promise<Finding> {
  const { bavail, bsize } = await statfs(await nearestFolder(folder));
  return judgeSpace(bavail * bsize, need);
}

export function judgeSpace(freeBytes: number, { shown, minimumBytes }: DiskNeed): Finding {
  const found = `${shownBytes(freeBytes)} free for ${shown}`;
  if (minimumBytes !== null && freeBytes < minimumBytes) {
    return fail(`${found}, and it needs ${shownBytes(minimumBytes)} to write anything`, 'free some space');
  }
  return freeBytes < GIGABYTE ? warn(found, 'free some space before a large run') : ok(found);
}

/** The folder itself, or the nearest above it that exists. */
export async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    try {
      await stat(at);
      return at;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if ((code !== 'ENOENT' && code !== 'ENOTDIR') || at === dirname(at)) throw error;
    }
  }
}

/** Why nothing can be made in a folder, or null. */
export async function writingProblem(folder: string): Promise<string | null> {
  if (!(await stat(folder)).isDirectory()) return 'is a file where a folder should be';
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch {
    return 'may not be written to by this user';
  }
}
