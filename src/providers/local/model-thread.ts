import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { NativeGuard, guardExit } from './native-guard.ts';
import type { BatchRequest, ModelShape, WorkerAnswer, WorkerRequest } from './worker-protocol.ts';

/** Starts a thread whose script speaks the messages of worker-protocol.ts and keeps to the guard. */
export type StartThread = (guard: NativeGuard) => Worker;

/** Why a thread will never be ready, from the thread itself. */
export class ThreadBroken extends Error {
  override readonly name = 'ThreadBroken';
  readonly reason: 'package' | 'model';

  constructor(reason: 'package' | 'model', message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What a thread tells its owner. */
export interface ThreadOwner {
  /** Once, when the model is loaded. */
  onReady(shape: ModelShape): void;
  /** For each batch, in the order they were sent. */
  onAnswer(answer: Float32Array<ArrayBuffer> | Error): void;
  /** Once, when it has ended without being asked to. */
  onDeath(error: Error): void;
}

/** Time for what is being computed and for the release of the model. With the next it is less than a scope allows. */
const CLOSE_MS = 8000;
const TERMINATE_MS = 1000;

/** A worker thread with a model in it. Whoever creates it closes it. */
export class ModelThread {
  readonly #worker: Worker;
  readonly #owner: ThreadOwner;
  readonly #closeMs: number;
  readonly #guard = new NativeGuard();
  readonly #ended: Promise<void>;
  #hasEnded = false;
  #lastError: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(start: StartThread, owner: ThreadOwner, closeMs: number = CLOSE_MS) {
    this.#owner = owner;
    this.#closeMs = closeMs;
    this.#worker = start(this.#guard);
    const stopGuarding = guardExit(this.#guard);
    // What a library writes in there is not for the user; left unread it would pile up.
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.on('message', (answer: WorkerAnswer) => this.#receive(answer));
    this.#worker.on('error', (error: Error) => {
      this.#lastError = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#hasEnded = true;
        stopGuarding();
        resolve();
        if (!this.#closing) owner.onDeath(this.#lastError ?? new Error(`it ended with exit code ${code}`));
      });
    });
  }

  run(request: BatchRequest): void {
    this.#post({ type: 'run', ...request });
  }

  /**
   * Releases the model and ends the thread, by force when it does not end by itself. Nothing is told to the owner
   * any more. Rejects when the thread is still computing after the time limit: it then ends after that by itself.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#hasEnded) return;
    this.#guard.stop();
    this.#post({ type: 'close' });
    if (await this.#endsWithin(this.#closeMs)) return;
    if (!this.#guard.isInside) {
      void this.#worker.terminate();
      if (await this.#endsWithin(TERMINATE_MS)) return;
    }
    this.#worker.unref();
    throw new Error('a worker thread is still computing and was left behind');
  }

  async #endsWithin(timeLimitMs: number): Promise<boolean> {
    const timer = new AbortController();
    try {
      const late = delay(timeLimitMs, false, { signal: timer.signal }).catch(() => false);
      return await Promise.race([this.#ended.then(() => true), late]);
    } finally {
      timer.abort();
    }
  }

  #receive(answer: WorkerAnswer): void {
    if (this.#closing) return;
    switch (answer.type) {
      case 'ready':
        this.#owner.onReady(answer);
        break;
      case 'done':
        this.#owner.onAnswer(answer.vectors);
        break;
      case 'failed':
        this.#owner.onAnswer(new Error(answer.message));
        break;
      case 'broken':
        this.#lastError = new ThreadBroken(answer.reason, answer.message);
    }
  }

  #post(request: WorkerRequest): void {
    this.#worker.postMessage(request, request.type === 'run' ? [request.ids.buffer] : []);
  }
}
