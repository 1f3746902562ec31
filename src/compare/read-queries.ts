import { isUtf8 } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { usageError, VecpipeError } from '../errors/vecpipe-error.ts';
import { waitOrAbort } from '../lifetime/abort.ts';
import type { CallOptions } from '../ports/database.ts';
import { readBytes } from '../sources/files/read-bytes.ts';
import type { RecordFile } from '../sources/files/record-item.ts';
import { errorMessage } from '../util/error-message.ts';

/** Every query keeps its neighbours in memory and is scored against every row. */
export const MOST_QUERIES = 1000;
const MOST_BYTES = 1024 * 1024;

/**
 * The queries of a file, one a line, trimmed; blank lines and repetitions are left out. The file may be gzipped
 * or a pipe; `-` is standard input.
 * @throws {VecpipeError} usage: `queries_unreadable`, `queries_empty`, `queries_too_many`
 */
export async function readQueries(
  path: string,
  workingDirectory: string,
  { signal, openStdin }: CallOptions & { openStdin: () => Readable },
): Promise<string[]> {
  const file = await findFile(path, workingDirectory, signal);
  const bytes = await readAll(file, { openStdin, ...(signal && { signal }) });
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw usageError(
      'queries_unreadable',
      `${file.name} is not UTF-8 text (--queries)`,
      'save it as plain text in UTF-8',
    );
  }
  const lines = new TextDecoder('utf-8').decode(bytes).split(/\r\n|[\r\n]/);
  const queries = [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))];
  if (queries.length === 0)
    throw usageError('queries_empty', `${file.name} holds no query (--queries)`, 'write one query a line');
  if (queries.length > MOST_QUERIES) throw tooMany(file.name);
  return queries;
}

async function findFile(
  path: string,
  workingDirectory: string,
  signal: AbortSignal | undefined,
): Promise<RecordFile> {
  if (path === '-') return { kind: 'stdin', name: 'standard input' };
  const absolute = resolve(workingDirectory, path);
  try {
    const found = await waitOrAbort(stat(absolute), signal);
    if (!found.isDirectory()) {
      const isPipe = found.isFIFO() || found.isSocket() || found.isCharacterDevice();
      return { kind: isPipe ? 'pipe' : 'file', name: path, path: absolute };
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw usageError(
      'queries_unreadable',
      code === 'ENOENT'
        ? `there is no file ${path} (--queries)`
        : `${path} cannot be read: ${code ?? errorMessage(error)} (--queries)`,
      'write one query a line into a file, or pipe them into `--queries -`',
      error,
    );
  }
  throw usageError(
    'queries_unreadable',
    `${path} is a folder (--queries)`,
    'name a file with one query a line',
  );
}

async function readAll(
  file: RecordFile,
  options: CallOptions & { openStdin: () => Readable },
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of readBytes(file, options)) {
      length += part.length;
      if (length > MOST_BYTES) throw tooMany(file.name);
      parts.push(part);
    }
  } catch (error) {
    if (!(error instanceof VecpipeError) || error.code === 'queries_too_many') throw error;
    // The reader is that of record files, and names the flag that those are given with.
    throw usageError(
      'queries_unreadable',
      error.message.replace('(--from)', '(--queries)'),
      undefined,
      error,
    );
  }
  return Buffer.concat(parts);
}

function tooMany(name: string): VecpipeError {
  return usageError(
    'queries_too_many',
    `${name} holds more than ${MOST_QUERIES} queries or more than 1 MiB (--queries)`,
    'take fewer',
  );
}
