import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fetch } from 'undici';
import type { Dispatcher, Response } from 'undici';
import type { CallOptions } from '../../ports/database.ts';

/** The server answered, and not with the file. */
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';
  readonly status: number;

  constructor(status: number) {
    super(`the server answered ${status}`);
    this.status = status;
  }
}

export interface DownloadOptions extends CallOptions {
  dispatcher: Dispatcher;
  headers: Record<string, string>;
  /** Told the size of the file, once and when the server says it. */
  onSize(bytes: number): void;
  /** Told about every piece that has arrived. */
  onBytes(bytes: number): void;
}

/** Ends the names of files that are being written. */
export const PART_SUFFIX = '.part';

/**
 * Downloads a file to a path. It gets its name only when all of it is on the disk; what is cut off, has another size
 * than announced or is a web page instead of a file leaves nothing behind.
 *
 * @throws {HttpStatusError} for every status but 200; what `fetch` and the file system throw; the signal's reason when
 * aborted
 */
export async function downloadFile(url: string, path: string, options: DownloadOptions): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  const response = await fetch(url, {
    // What is compressed on the way has no size to be checked.
    headers: { ...options.headers, 'accept-encoding': 'identity' },
    dispatcher: options.dispatcher,
    ...(signal && { signal }),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new HttpStatusError(response.status);
  }
  if (/^text\/html/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel();
    throw new Error('the server answered with a web page instead of the file');
  }
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}-${randomBytes(4).toString('hex')}${PART_SUFFIX}`;
  try {
    await writeBody(response, part, options);
    signal?.throwIfAborted();
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function writeBody(response: Response, part: string, options: DownloadOptions): Promise<void> {
  const announced = Number(response.headers.get('content-length') ?? Number.NaN);
  const hasSize = Number.isSafeInteger(announced) && !response.headers.has('content-encoding');
  if (hasSize) options.onSize(announced);
  // Then its end looks like a lost connection.
  else if (!response.headers.has('transfer-encoding'))
    throw new Error('the server did not say how large the file is');
  const file = await open(part, 'wx');
  let written = 0;
  try {
    for await (const chunk of response.body ?? []) {
      await file.writeFile(chunk as Uint8Array);
      written += (chunk as Uint8Array).byteLength;
      options.onBytes((chunk as Uint8Array).byteLength);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (hasSize && written !== announced) {
    throw new Error(`the download ended after ${written} of ${announced} bytes`);
  }
}
