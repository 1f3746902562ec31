import type { ChildProcess } from 'node:child_process';
import type { WorkerMessage, WorkerOrder } from './worker-messages.ts';

/** Starts a worker process with these arguments, connected by Node's IPC channel. */
export type StartWorker = (args: readonly string[]) => ChildProcess;

export interface WorkerEnd {
  /** Null when a signal ended it. */
  exitCode: number | null;
  /** Such as `SIGKILL`; null when it ended by itself. */
  signal: string | null;
  /** Why it could not even be started; null when it could. */
  startError: Error | null;
  /** The last line it left behind for people, when it ended in an unforeseen way. */
  lastWords: string;
}

/** How much of a worker's stderr is kept: it says what it has to say by messages. */
const LAST_WORDS_CHARACTERS = 2000;

/** One worker process. Disposal kills it, if it still lives, and waits for its end. */
export class WorkerProcess implements AsyncDisposable {
  /** Known from its first message on. */
  runId: string | null = null;
  readonly ended: Promise<WorkerEnd>;
  readonly #child: ChildProcess;
  #isOver = false;

  constructor(child: ChildProcess, onMessage: (message: WorkerMessage) => void) {
    this.#child = child;
    let lastWords = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-LAST_WORDS_CHARACTERS);
    });
    child.on('message', (message) => {
      const known = message as WorkerMessage;
      if (known.type === 'started') this.runId = known.runId;
      onMessage(known);
    });
    this.ended = new Promise((resolve) => {
      const end = (exitCode: number | null, signal: string | null, startError: Error | null) => {
        this.#isOver = true;
        resolve({ exitCode, signal, startError, lastWords: lastWords.trim().split('\n').at(-1) ?? '' });
      };
      // Also when it cannot be killed or written to: then it is still running, and `close` follows.
      child.on('error', (error) => {
        if (child.pid === undefined) end(null, null, error);
      });
      // Not `exit`: what it sent last would still be on its way.
      child.on('close', (exitCode, signal) => end(exitCode, signal, null));
    });
  }

  /** Does nothing for a worker that is gone. */
  send(order: WorkerOrder): void {
    if (this.#child.connected) this.#child.send(order, () => {});
  }

  kill(): void {
    if (!this.#isOver) this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended;
  }
}
