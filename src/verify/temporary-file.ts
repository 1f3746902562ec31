import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unavailableError } from '../errors/vecpipe-error.ts';
import { fileErrorReason } from '../util/file-error.ts';

/** Where something was put. */
export interface Place {
  offset: number;
  length: number;
}

/**
 * A file for what does not fit into memory. It has no name from the start, so that nothing of it is left behind however
 * the process ends. The opener disposes.
 */
export class TemporaryFile implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #folder: string;
  #length = 0;

  private constructor(handle: FileHandle, folder: string) {
    this.#handle = handle;
    this.#folder = folder;
  }

  /**
   * @param folder the system's folder for temporary files when left out
   * @throws {VecpipeError} unavailable `temporary_file_failed`
   */
  static async open(folder: string = tmpdir()): Promise<TemporaryFile> {
    const path = join(folder, `vecpipe-${randomUUID()}.tmp`);
    try {
      const handle = await open(path, 'wx+', 0o600);
      try {
        await unlink(path);
        return new TemporaryFile(handle, folder);
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      throw temporaryFileError(error, folder);
    }
  }

  /** @throws {VecpipeError} unavailable `temporary_file_failed` */
  async append(bytes: Uint8Array): Promise<Place> {
    const place = { offset: this.#length, length: bytes.length };
    let written = 0;
    try {
      while (written < bytes.length) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          written,
          bytes.length - written,
          place.offset + written,
        );
        written += bytesWritten;
      }
    } catch (error) {
      throw temporaryFileError(error, this.#folder);
    }
    this.#length += bytes.length;
    return place;
  }

  /** Fills `target` from its start. @throws {VecpipeError} unavailable `temporary_file_failed` */
  async read({ offset, length }: Place, target: Uint8Array): Promise<void> {
    let read = 0;
    try {
      while (read < length) {
        const { bytesRead } = await this.#handle.read(target, read, length - read, offset + read);
        if (bytesRead === 0) throw new Error('it is shorter than what was written to it');
        read += bytesRead;
      }
    } catch (error) {
      throw temporaryFileError(error, this.#folder);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function temporaryFileError(error: unknown, folder: string) {
  return unavailableError(
    'temporary_file_failed',
    `a temporary file in ${folder} cannot be used: ${fileErrorReason(error)}`,
    'make room there, or set TMPDIR to another folder',
    error,
  );
}
