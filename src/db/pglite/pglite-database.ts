import { AsyncLocalStorage } from 'node:async_hooks';
import type { BoundValue, CallOptions, Database, Queryable, QueryResult } from '../../ports/database.ts';
import { quoteIdentifier } from '../quote.ts';
import { PREPARE_SESSION } from '../session-settings.ts';
import { TurnQueue } from '../turn-queue.ts';
import { displayPath } from './folder-error.ts';
import { lockFolder } from './folder-lock.ts';
import type { PgliteEngine } from './pglite-engine.ts';
import { openPgliteFolder } from './pglite-folder.ts';
import { PgliteTransaction } from './pglite-transaction.ts';

export interface PgliteOptions {
  /** Created when it does not exist; `<folder>.lock` beside it keeps other processes out. */
  folder: string;
  /** What this process is doing, for the message that a second process gets; `vecpipe` when left out. */
  command?: string;
  /** Writing is refused with less free disk space than this; 64 MB when left out. */
  minimumFreeBytes?: number;
}

/**
 * Opens the embedded database of a folder: Postgres in WebAssembly, in this process. Creating takes about three
 * seconds, opening a quarter of one. A statement runs to its end once it has started; aborting works before that.
 *
 * @throws {VecpipeError} `unavailable` when another process is using the folder or the disk is full, `usage` when
 *   the folder cannot be used; the signal's reason when aborted. A failing open leaves the folder unlocked.
 */
export async function openPgliteDatabase(
  options: PgliteOptions,
  { signal }: CallOptions = {},
): Promise<Database> {
  signal?.throwIfAborted();
  const { folder, command = 'vecpipe', minimumFreeBytes } = options;
  const lock = await lockFolder(folder, { command, signal });
  let engine: PgliteEngine | undefined;
  try {
    engine = await openPgliteFolder(folder, signal, minimumFreeBytes);
    await engine.query(PREPARE_SESSION);
    signal?.throwIfAborted();
    return new PgliteDatabase(engine, displayPath(folder), lock);
  } catch (error) {
    await engine?.close();
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

interface Listener {
  channel: string;
  onNotify: () => void;
}

class PgliteDatabase implements Database {
  readonly kind = 'pglite';
  readonly exclusive = true;
  readonly location: string;
  readonly #engine: PgliteEngine;
  readonly #lock: AsyncDisposable;
  readonly #turns = new TurnQueue();
  readonly #currentTransaction = new AsyncLocalStorage<PgliteTransaction>();
  readonly #listeners = new Set<Listener>();
  #disposal: Promise<void> | undefined;

  constructor(engine: PgliteEngine, location: string, lock: AsyncDisposable) {
    this.#engine = engine;
    this.#lock = lock;
    this.location = location;
    engine.onNotification((channel) => {
      for (const listener of this.#listeners) if (listener.channel === channel) listener.onNotify();
    });
  }

  async query<Row = Record<string, unknown>>(
    sql: string,
    values: readonly BoundValue[] = [],
    { signal }: CallOptions = {},
  ): Promise<QueryResult<Row>> {
    return this.#takeTurn(async () => {
      await this.#engine.assertRoom();
      return this.#engine.query<Row>(sql, values);
    }, signal);
  }

  async execute(script: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#takeTurn(async () => {
      await this.#engine.assertRoom();
      await this.#engine.execute(script);
    }, signal);
  }

  async transaction<Result>(
    work: (tx: Queryable) => Promise<Result>,
    { signal }: CallOptions = {},
  ): Promise<Result> {
    return this.#takeTurn(async () => {
      await this.#engine.assertRoom();
      const transaction = new PgliteTransaction(this.#engine, signal);
      await this.#engine.execute('begin');
      try {
        const result = await this.#currentTransaction.run(transaction, () => work(transaction));
        await transaction.commit();
        return result;
      } catch (error) {
        await transaction.rollback();
        throw error;
      }
    }, signal);
  }

  /** Nobody but this process can notify. */
  async listen(
    channel: string,
    onNotify: () => void,
    { signal }: CallOptions = {},
  ): Promise<AsyncDisposable> {
    const listener: Listener = { channel, onNotify };
    await this.#takeTurn(async () => {
      await this.#engine.execute(`listen ${quoteIdentifier(channel)}`);
      this.#listeners.add(listener);
    }, signal);
    return { [Symbol.asyncDispose]: async () => void this.#listeners.delete(listener) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#close();
    return this.#disposal;
  }

  async #takeTurn<Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
    signal?.throwIfAborted();
    if (this.#disposal) throw new Error('the database has been closed');
    if (this.#currentTransaction.getStore()?.isOpen) {
      // There is one connection: this would wait for the transaction, and the transaction for this.
      throw new Error('inside a transaction use the Queryable that it is given, not the database');
    }
    return this.#turns.take(work, signal);
  }

  async #close(): Promise<void> {
    this.#listeners.clear();
    try {
      await this.#turns.take(() => this.#engine.close());
    } finally {
      await this.#lock[Symbol.asyncDispose]();
    }
  }
}
