import type { PoolClient, QueryConfig, QueryResult as PgResult } from 'pg';
import type { BoundValue, CallOptions, Queryable, QueryOptions, QueryResult } from '../../ports/database.ts';
import { isConnectionLoss, isErrorResponse } from '../sql-error.ts';
import { TurnQueue } from '../turn-queue.ts';
import { valueParser } from '../value-parsers.ts';
import { toValueText } from '../value-text.ts';
import { whenAborted } from '../when-aborted.ts';
import { cancelQuery } from './cancel-query.ts';

const CHANGING_COMMANDS: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY']);

/**
 * The extended protocol takes one statement; without this the driver uses the simple one, which takes a whole
 * script, whenever there are no values.
 */
const ONE_STATEMENT = {
  queryMode: 'extended',
  types: { getTypeParser: (typeId: number) => valueParser(typeId) },
};

type Signals = readonly (AbortSignal | undefined)[];

export interface PostgresSessionOptions {
  /** Turns what the driver throws into what callers see. */
  translate: (error: unknown) => unknown;
  /** How long an aborted statement may take to end before its connection is cut. */
  cancelDeadlineMs: number;
  /** Aborts every statement of the session, besides the signal that a statement is given itself. */
  signal: AbortSignal | undefined;
}

/**
 * One connection while it is taken from the pool. Statements run one at a time, in order. Once one was aborted
 * the connection is in an unknown state and must be thrown away: see `isBroken`.
 */
export class PostgresSession implements Queryable {
  readonly #client: PoolClient;
  readonly #translate: (error: unknown) => unknown;
  readonly #cancelDeadlineMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #closing = new AbortController();
  readonly #turns = new TurnQueue();
  #isBroken = false;
  #hasFailed = false;
  #hasEnded = false;

  constructor(client: PoolClient, options: PostgresSessionOptions) {
    this.#client = client;
    this.#translate = options.translate;
    this.#cancelDeadlineMs = options.cancelDeadlineMs;
    this.#signal = options.signal;
  }

  /** True when the connection must not be used again. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  async query<Row = Record<string, unknown>>(
    sql: string,
    values: readonly BoundValue[] = [],
    options: QueryOptions = {},
  ): Promise<QueryResult<Row>> {
    this.#assertOpen();
    const config = { text: sql, values: values.map(toValueText), ...ONE_STATEMENT };
    const result = await this.#run(config, [options.signal, this.#signal], options.timeLimitMs);
    return {
      rows: result.rows as Row[],
      columns: result.fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID })),
      changed: CHANGING_COMMANDS.has(result.command) ? (result.rowCount ?? 0) : 0,
    };
  }

  async execute(script: string, options: CallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#run({ text: script }, [options.signal, this.#signal]);
  }

  /**
   * Ends the transaction that was begun on this session; nothing more runs in it.
   * @throws {DatabaseError} 25P02 when a statement had failed and the failure was swallowed: the server would
   *   answer COMMIT with a silent rollback
   */
  async commit(): Promise<void> {
    this.#hasEnded = true;
    this.#signal?.throwIfAborted();
    if (this.#hasFailed) await this.#run({ text: 'select 1' }, []);
    // Without the signal: a commit that is cut off leaves nobody knowing whether it happened.
    await this.#run({ text: 'commit' }, []);
  }

  /** Never throws; a connection on which it fails is broken. */
  async rollback(): Promise<void> {
    this.#hasEnded = true;
    if (this.#isBroken) return;
    try {
      await this.#run({ text: 'rollback' }, []);
    } catch {
      this.#isBroken = true;
    }
  }

  /** Aborts what is running and refuses whatever would follow, with the same reason. */
  abort(reason: Error): void {
    this.#closing.abort(reason);
  }

  #assertOpen(): void {
    if (this.#hasEnded) throw new Error('the transaction has ended; nothing more can run in it');
  }

  #run(
    config: QueryConfig<(string | null)[]>,
    callerSignals: Signals,
    timeLimitMs?: number,
  ): Promise<PgResult> {
    const signals = [...callerSignals, this.#closing.signal];
    return this.#turns.take(async () => {
      for (const signal of signals) signal?.throwIfAborted();
      if (timeLimitMs === undefined) return this.#runAbortably(config, signals);
      // Cut, and not cancelled: whoever does not answer does not cancel either. The driver then reports a lost
      // connection.
      const timer = setTimeout(() => this.#client.connection.stream.destroy(), timeLimitMs);
      try {
        return await this.#runAbortably(config, signals);
      } finally {
        clearTimeout(timer);
      }
    });
  }

  async #runAbortably(config: QueryConfig<(string | null)[]>, signals: Signals): Promise<PgResult> {
    const abortion: { reason?: unknown; cut?: NodeJS.Timeout; cancelling?: Promise<void> } = {};
    const stopListening = whenAborted(signals, (reason) => {
      this.#isBroken = true;
      abortion.reason = reason;
      abortion.cut = setTimeout(() => this.#client.connection.stream.destroy(), this.#cancelDeadlineMs);
      abortion.cancelling = cancelQuery(this.#client, this.#cancelDeadlineMs);
    });
    try {
      const result = await this.#client.query(config);
      if (abortion.cancelling) throw abortion.reason;
      return result;
    } catch (error) {
      this.#hasFailed = true;
      if (!isErrorResponse(error) || isConnectionLoss(error.code)) this.#isBroken = true;
      throw abortion.cancelling ? abortion.reason : this.#translate(error);
    } finally {
      stopListening();
      clearTimeout(abortion.cut);
      await abortion.cancelling;
    }
  }
}
