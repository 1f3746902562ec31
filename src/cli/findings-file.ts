import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { usageError } from '../errors/vecpipe-error.ts';
import { fileErrorReason } from '../util/file-error.ts';
import type { Finding } from '../verify/finding.ts';

/** Every finding as one line of JSON. A file that exists is replaced. The opener disposes. */
export class FindingsFile implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #shown: string;

  private constructor(handle: FileHandle, shown: string) {
    this.#handle = handle;
    this.#shown = shown;
  }

  /** @throws {VecpipeError} usage `findings_file_unwritable` */
  static async open(path: string, workingDirectory: string): Promise<FindingsFile> {
    try {
      return new FindingsFile(await open(resolve(workingDirectory, path), 'w'), path);
    } catch (error) {
      throw unwritable(error, path);
    }
  }

  /** @throws {VecpipeError} usage `findings_file_unwritable` */
  async write(findings: readonly Finding[]): Promise<void> {
    try {
      await this.#handle.appendFile(findings.map((finding) => `${JSON.stringify(finding)}\n`).join(''));
    } catch (error) {
      throw unwritable(error, this.#shown);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function unwritable(error: unknown, path: string) {
  return usageError(
    'findings_file_unwritable',
    `the file ${path} (--findings) cannot be written: ${fileErrorReason(error)}`,
    'name a file in a folder that exists and may be written to',
    error,
  );
}
