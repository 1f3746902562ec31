import { unavailableError, VecpipeError } from '../../errors/vecpipe-error.ts';
import { isErrorResponse, sqlError } from '../sql-error.ts';
import { displayPath, folderError } from './folder-error.ts';

const LONGEST_REASON = 200;

/**
 * Translates what PGlite threw. Its errors carry the statement and its values, and those of the WebAssembly
 * machine pages of minified source, so none of them is kept as cause.
 */
export function pgliteError(error: unknown, folder: string): unknown {
  const place = `the embedded database in ${displayPath(folder)}`;
  if (isErrorResponse(error)) return sqlError(error, place);
  const translated = folderError(fileError(error) ?? error, folder);
  if (translated instanceof VecpipeError) return translated;
  return unavailableError(
    'database_failed',
    `${place} stopped working: ${firstLine(error)}`,
    'Run the same command again; what was committed is kept.',
  );
}

/** Numbers of WASI, https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#-errno-variant */
const FILE_ERRORS: Readonly<Record<number, string>> = {
  2: 'EACCES',
  19: 'EDQUOT',
  33: 'EMFILE',
  51: 'ENOSPC',
  63: 'EPERM',
  69: 'EROFS',
};

/** The file system inside PGlite throws objects with a number and nothing else. */
function fileError(error: unknown): Error | null {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return null;
  const code = FILE_ERRORS[Number(error.errno)];
  return code === undefined ? null : Object.assign(new Error(code), { code, syscall: 'write' });
}

/** The first line of anything that was thrown, cut to a length that fits in a sentence. */
export function firstLine(error: unknown): string {
  const message =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  return (message.split('\n', 1)[0] ?? '').slice(0, LONGEST_REASON).trim();
}
