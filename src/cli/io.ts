import type { StopRequest } from '../lifetime/stop-request.ts';

/** What a process gives a command: nothing below the entry touches `process` itself. */
export interface Io {
  stdin: NodeJS.ReadableStream;
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  environment: Readonly<Record<string, string | undefined>>;
  workingDirectory: string;
  stop: StopRequest;
}
