import type { BoundValue, CallOptions, Queryable, QueryResult } from '../../ports/database.ts';
import { TurnQueue } from '../turn-queue.ts';
import type { PgliteEngine } from './pglite-engine.ts';

/** The transaction that is open on the one connection of an embedded database. */
export class PgliteTransaction implements Queryable {
  readonly #engine: PgliteEngine;
  readonly #signal: AbortSignal | undefined;
  readonly #turns = new TurnQueue();
  #isOpen = true;
  #hasFailed = false;

  /** @param signal refuses every further statement once it has aborted */
  constructor(engine: PgliteEngine, signal: AbortSignal | undefined) {
    this.#engine = engine;
    this.#signal = signal;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  query<Row = Record<string, unknown>>(
    sql: string,
    values: readonly BoundValue[] = [],
    { signal }: CallOptions = {},
  ): Promise<QueryResult<Row>> {
    return this.#run(async () => {
      await this.#engine.assertRoom();
      return this.#engine.query<Row>(sql, values);
    }, signal);
  }

  execute(script: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#run(async () => {
      await this.#engine.assertRoom();
      await this.#engine.execute(script);
    }, signal);
  }

  /**
   * @throws {DatabaseError} 25P02 when a statement had failed and the failure was swallowed: the server would
   *   answer COMMIT with a silent rollback
   */
  async commit(): Promise<void> {
    this.#isOpen = false;
    this.#signal?.throwIfAborted();
    await this.#turns.take(async () => {
      if (this.#hasFailed) await this.#engine.query('select 1');
      await this.#engine.execute('commit');
    });
  }

  /** Never throws: what made it necessary is the error to show. */
  async rollback(): Promise<void> {
    this.#isOpen = false;
    await this.#turns.take(() => this.#engine.execute('rollback')).catch(() => {});
  }

  async #run<Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
    if (!this.#isOpen) throw new Error('the transaction has ended; nothing more can run in it');
    return this.#turns.take(async () => {
      signal?.throwIfAborted();
      this.#signal?.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        this.#hasFailed = true;
        throw error;
      }
    });
  }
}
