import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { CallOptions } from '../../ports/database.ts';
import { cannotOpen, invalidModel, modelNotFound } from './model-errors.ts';

/** Small enough that a stop request is noticed within a few milliseconds. */
const READ_BYTES = 4 * 1024 * 1024;

/** A regular file that is open for reading; whoever opened it closes it. */
export interface OpenFile extends AsyncDisposable {
  readonly path: string;
  readonly size: number;
  /** Exactly `length` bytes from `position` on, in a buffer of their own. */
  read(position: number, length: number, options: CallOptions): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Opens a model's file without reading it.
 * @throws {VecpipeError} usage: `model_not_found` when it is missing, unreadable or no regular file,
 * `model_invalid` when it is larger than `maxBytes`
 */
export async function openFile(path: string, maxBytes: number): Promise<OpenFile> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw cannotOpen(`the model file ${path}`, error);
  });
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw modelNotFound(`the model file ${path} is not a file`);
    if (status.size > maxBytes) {
      throw invalidModel(path, `has ${status.size} bytes, more than the ${maxBytes} that vecpipe reads`);
    }
    return createOpenFile(path, handle, status.size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The whole of a file. Throws as `openFile` does. */
export async function readFile(
  path: string,
  maxBytes: number,
  options: CallOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  await using file = await openFile(path, maxBytes);
  return await file.read(0, file.size, options);
}

function createOpenFile(path: string, handle: FileHandle, size: number): OpenFile {
  return {
    path,
    size,
    async read(position, length, { signal }) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        signal?.throwIfAborted();
        const wanted = Math.min(READ_BYTES, length - done);
        const { bytesRead } = await handle.read(bytes, done, wanted, position + done);
        if (bytesRead === 0)
          throw invalidModel(path, `ends after ${position + done} bytes, before its content does`);
        done += bytesRead;
      }
      return bytes;
    },
    async [Symbol.asyncDispose]() {
      await handle.close();
    },
  };
}
