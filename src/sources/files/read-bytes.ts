import { closeSync, constants, open as openDescriptor } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { unavailableError, usageError, VecpipeError } from '../../errors/vecpipe-error.ts';
import type { CallOptions } from '../../ports/database.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { RecordFile } from './record-item.ts';

export interface ReadOptions extends CallOptions {
  /** Gives the stream that `-` stands for; it is destroyed when reading ends, however it ends. */
  openStdin?: () => Readable;
}

/** Few enough system calls, and small against the limit of one record. */
const READ_BYTES = 256 * 1024;
const INFLATE_BYTES = 64 * 1024;

/**
 * The bytes of a file, decompressed when they start like gzip, in chunks as they come. Nothing is opened before
 * the first chunk is asked for; the file is closed when the iteration ends, whether at its end, early, by an
 * error or by the signal, which rejects a read under way.
 * @throws {VecpipeError} `usage` when the file cannot be opened or its gzip is cut off or damaged, `unavailable`
 * when reading fails half way
 */
export async function* readBytes(
  file: RecordFile,
  options: ReadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const source = await openSource(file, options);
  // A stream that is destroyed with an error after its iteration has ended would otherwise crash the process.
  source.on('error', () => {});
  const onAbort = () => source.destroy(abortError(signal));
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    yield* inflate(source);
  } catch (error) {
    throw signal?.aborted ? signal.reason : describeFailure(error, file.name);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await close(source, file);
  }
}

async function openSource(file: RecordFile, options: ReadOptions): Promise<Readable> {
  if (file.kind === 'stdin') {
    if (!options.openStdin) throw new Error('standard input was named, but no openStdin was given');
    return options.openStdin();
  }
  try {
    if (file.kind === 'file') {
      const handle = await open(file.path);
      return handle.createReadStream({ highWaterMark: READ_BYTES });
    }
    return await openPipe(file.path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? errorMessage(error);
    throw usageError(
      'record_file_unreadable',
      `${file.name} cannot be read: ${code} (--from)`,
      undefined,
      error,
    );
  }
}

/** Through the event loop: a blocking read of a pipe could neither be aborted nor closed. */
async function openPipe(path: string): Promise<Readable> {
  const descriptor = await promisify(openDescriptor)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false });
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

async function* inflate(source: Readable): AsyncGenerator<Buffer, void, undefined> {
  const chunks = buffers(source);
  let first = Buffer.alloc(0);
  while (first.length < 2) {
    const next = await chunks.next();
    if (next.done) break;
    first = Buffer.concat([first, next.value]);
  }
  if (first[0] !== 0x1f || first[1] !== 0x8b) {
    if (first.length > 0) yield first;
    yield* chunks;
    return;
  }
  const gunzip = createGunzip({ chunkSize: INFLATE_BYTES });
  // Its failures arrive through the iteration below.
  pipeline(joined(first, chunks), gunzip).catch(() => {});
  try {
    yield* buffers(gunzip);
  } finally {
    gunzip.destroy();
  }
}

async function* joined(
  first: Buffer,
  rest: AsyncGenerator<Buffer, void, undefined>,
): AsyncGenerator<Buffer, void, undefined> {
  yield first;
  yield* rest;
}

async function* buffers(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of stream as AsyncIterable<Uint8Array | string>) {
    if (typeof chunk === 'string') yield Buffer.from(chunk);
    else yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
  }
}

async function close(source: Readable, file: RecordFile): Promise<void> {
  source.destroy();
  // Standard input belongs to the caller, and a terminal need not say that it is closed.
  if (file.kind === 'stdin' || source.closed) return;
  // Not events.once: that would reject with an error that the iteration has told already.
  await new Promise<void>((resolve) => {
    source.once('close', resolve);
  });
}

function abortError(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}

function describeFailure(error: unknown, name: string): unknown {
  if (error instanceof VecpipeError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'Z_BUF_ERROR') {
    return usageError(
      'record_file_gzip',
      `${name} is cut off: its gzip data ends too early (--from)`,
      'Fetch or compress the file again; records before that point may have been read.',
      error,
    );
  }
  if (code.startsWith('Z_')) {
    return usageError(
      'record_file_gzip',
      `${name} is damaged: its gzip data cannot be read (--from)`,
      undefined,
      error,
    );
  }
  return unavailableError(
    'record_file_read_failed',
    `${name} could not be read to its end: ${code || errorMessage(error)} (--from)`,
    undefined,
    error,
  );
}
