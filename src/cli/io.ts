import type { StopRequest } from '../lifetime/stop-request.ts';
import type { ParentLink } from '../workers/worker-messages.ts';
import type { StartWorker } from '../workers/worker-process.ts';

/** What a process gives a command: nothing below the entry touches `process` itself. */
export interface Io {
  stdin: NodeJS.ReadableStream;
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  environment: Readonly<Record<string, string | undefined>>;
  workingDirectory: string;
  stop: StopRequest;
  /** Starts a worker process of this program. */
  startWorker: StartWorker;
  /** Null in a process that no run has started as its worker. */
  parent: ParentLink | null;
}
