import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { usageError } from '../../errors/vecpipe-error.ts';
import type { CallOptions } from '../../ports/database.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { RecordFile } from './record-item.ts';

const STDIN: RecordFile = { kind: 'stdin', name: 'standard input' };

/**
 * The files that the values of `--from` mean, in the order given and each once: a path, a glob (its files in
 * order of their names), or `-` for standard input. A path that exists is never read as a glob.
 * @throws {VecpipeError} `usage` for a file that is missing, unreadable or a folder, and a glob without a match
 */
export async function findRecordFiles(
  from: readonly string[],
  workingDirectory: string,
  options: CallOptions = {},
): Promise<RecordFile[]> {
  const found = new Map<string, RecordFile>();
  for (const each of from) {
    for (const file of await filesOf(each, workingDirectory, options)) {
      const identity = file.kind === 'stdin' ? '-' : file.path;
      if (!found.has(identity)) found.set(identity, file);
    }
  }
  return [...found.values()];
}

async function filesOf(value: string, workingDirectory: string, options: CallOptions): Promise<RecordFile[]> {
  options.signal?.throwIfAborted();
  if (value === '-') return [STDIN];
  if (value.trim() === '') {
    throw usageError(
      'record_file_missing',
      '--from has an empty value',
      'Give a file, a glob, or - for stdin.',
    );
  }
  const path = resolve(workingDirectory, value);
  const stats = await statOrNull(path, value);
  if (stats) return [await checkedFile(path, value, stats)];
  if (!isDynamicPattern(value)) {
    throw usageError(
      'record_file_missing',
      `${value} does not exist (--from)`,
      'A path is relative to the working directory.',
    );
  }
  return filesOfGlob(value, workingDirectory, options);
}

async function filesOfGlob(
  pattern: string,
  workingDirectory: string,
  { signal }: CallOptions,
): Promise<RecordFile[]> {
  const names = await glob(pattern, {
    cwd: workingDirectory,
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    ...(signal && { signal }),
  });
  signal?.throwIfAborted();
  if (names.length === 0) {
    throw usageError(
      'record_glob_no_match',
      `no file matches ${pattern} (--from)`,
      'Put a glob in quotes, so that vecpipe and not the shell reads it; * does not cross folders, ** does.',
    );
  }
  const files: RecordFile[] = [];
  for (const name of names.sort()) {
    const path = resolve(workingDirectory, name);
    const stats = await statOrNull(path, name);
    // A file that went away since it was listed, or a link to nothing.
    if (!stats) throw usageError('record_file_missing', `${name} does not exist (--from ${pattern})`);
    files.push(await checkedFile(path, name, stats));
  }
  return files;
}

async function statOrNull(path: string, name: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // A glob can be longer than a file name may be.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return null;
    throw unreadable(name, error);
  }
}

async function checkedFile(path: string, name: string, stats: Stats): Promise<RecordFile> {
  if (stats.isDirectory()) {
    const hint = `Name its files, for example with --from '${name.replace(/\/+$/, '')}/*.ndjson'.`;
    throw usageError('record_file_is_folder', `${name} is a folder (--from)`, hint);
  }
  if (!stats.isFile() && !stats.isFIFO()) {
    throw usageError('record_file_unreadable', `${name} is neither a file nor a pipe (--from)`);
  }
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw unreadable(name, error);
  }
  return { kind: stats.isFIFO() ? 'pipe' : 'file', path, name };
}

function unreadable(name: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? errorMessage(error);
  return usageError(
    'record_file_unreadable',
    `${name} cannot be read: ${code} (--from)`,
    'Check its permissions.',
    error,
  );
}
