import { isAbsolute, relative } from 'node:path';
import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';

/** The folder relative to the working directory where it lies inside it, as people would type it. */
export function displayPath(folder: string): string {
  const fromHere = relative(process.cwd(), folder);
  return fromHere === '' || fromHere.startsWith('..') || isAbsolute(fromHere) ? folder : fromHere;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'part of the path is a file',
  EEXIST: 'part of the path is a file',
  EISDIR: 'a folder is where a file should be',
  ENAMETOOLONG: 'the path is too long',
  EMFILE: 'too many open files',
};

/** Translates a failure of the file system in or beside the database folder; anything else comes back as it is. */
export function folderError(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const place = `the embedded database in ${displayPath(folder)}`;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
    return unavailableError('database_disk_full', `${place} has no disk space left`, 'Free some space.');
  }
  return usageError(
    'database_folder_unusable',
    `cannot use ${place}: ${REASONS[String(error.code)] ?? String(error.code)}`,
    'Make the folder writable, or choose another one with VECPIPE_HOME.',
    error,
  );
}
