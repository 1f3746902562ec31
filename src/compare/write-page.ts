import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { usageError } from '../errors/vecpipe-error.ts';
import type { VecpipeError } from '../errors/vecpipe-error.ts';
import { errorMessage } from '../util/error-message.ts';
import { PAGE_MARK } from './comparison-page.ts';

/** The mark stands this near to the start. */
const LOOKED_AT_BYTES = 1024;

/**
 * Finds out whether a page can be written there, before anything is paid for it. A file that is there already is
 * replaced only when it is an earlier page, so that a slip of the hand costs nobody a file.
 * @returns the absolute path
 * @throws {VecpipeError} usage: `report_exists`, `report_unwritable`
 */
export async function checkPagePath(path: string, workingDirectory: string): Promise<string> {
  const absolute = resolve(workingDirectory, path);
  const folder = await stat(dirname(absolute)).catch(() => null);
  if (!folder?.isDirectory()) {
    throw usageError(
      'report_unwritable',
      `there is no folder ${dirname(path)} for the report (--html ${path})`,
      'make the folder first',
    );
  }
  const found = await stat(absolute).catch(() => null);
  if (found?.isDirectory()) throw unwritable(path, 'it is a folder');
  if (found && !(await isPage(absolute, path))) {
    throw usageError(
      'report_exists',
      `${path} is there already and is no report of vecpipe compare (--html)`,
      'give another name, or remove the file',
    );
  }
  return absolute;
}

/**
 * Writes the page whole or not at all: beside its place first, and then over it.
 * @throws {VecpipeError} usage `report_unwritable`; then nothing is left behind
 */
export async function writePage(absolute: string, page: string, shownPath: string): Promise<void> {
  const draft = `${absolute}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await writeFile(draft, page, { flag: 'wx' });
    await rename(draft, absolute);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw unwritable(shownPath, (error as NodeJS.ErrnoException).code ?? errorMessage(error), error);
  }
}

async function isPage(absolute: string, path: string): Promise<boolean> {
  try {
    await using file = await open(absolute);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LOOKED_AT_BYTES), 0, LOOKED_AT_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead).includes(PAGE_MARK);
  } catch (error) {
    throw unwritable(path, (error as NodeJS.ErrnoException).code ?? errorMessage(error), error);
  }
}

function unwritable(path: string, why: string, cause?: unknown): VecpipeError {
  return usageError(
    'report_unwritable',
    `the report ${path} cannot be written: ${why} (--html)`,
    undefined,
    cause,
  );
}
