/** Options of every asynchronous port method. */
export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of one statement. */
export interface QueryOptions extends CallOptions {
  /**
   * For statements that take milliseconds: with no answer by then, the connection to a server is taken for dead and
   * cut. A network in between may have forgotten it without a word.
   */
  timeLimitMs?: number;
}

/** The limit of vecpipe's own short statements; none of them waits for a lock that is held over anything slow. */
export const SHORT_STATEMENT_MS = 60_000;

/**
 * Values that can be bound. Both adapters serialise arrays as Postgres arrays; everything else that is not a
 * plain scalar is bound as text and cast in the SQL, so that both adapters read it the same way.
 */
export type BoundValue = string | number | boolean | null | readonly (string | number | boolean | null)[];

export interface Column {
  name: string;
  /** Postgres type oid. */
  typeId: number;
}

export interface QueryResult<Row> {
  rows: Row[];
  columns: Column[];
  /** Rows that an insert, update or delete changed; 0 where it does not apply. */
  changed: number;
}

/**
 * Runs SQL. Result values: int8 is a number (exact up to 2^53), numeric a string, json parsed, timestamps a
 * Date, bytea not used (encode it in SQL); everything else as text or the matching JavaScript scalar.
 */
export interface Queryable {
  /**
   * One statement with bound values.
   * @throws {DatabaseError} when Postgres refuses it, VecpipeError `unavailable` when it cannot be reached
   */
  query<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly BoundValue[],
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>;
  /** A script of several statements without values. */
  execute(script: string, options?: CallOptions): Promise<void>;
}

/** The opener disposes; disposal ends every connection and is idempotent. */
export interface Database extends Queryable, AsyncDisposable {
  readonly kind: 'postgres' | 'pglite';
  /** Where it is, for people: no user, password or query string. */
  readonly location: string;
  /** True when only this process can be using the data, so that leases of others must be left-overs. */
  readonly exclusive: boolean;
  /**
   * Runs `work` in one transaction; commits when it resolves, rolls back when it rejects. Never call a network
   * service inside.
   */
  transaction<Result>(work: (tx: Queryable) => Promise<Result>, options?: CallOptions): Promise<Result>;
  /**
   * Calls `onNotify` whenever something was notified on the channel, for several notifications perhaps once. What it
   * listens on may break: then it is opened again, for as long as that takes, and `onNotify` is called once, since
   * something may have been missed. So it tells that there may be news, and nothing may depend on it alone.
   *
   * Resolves when it listens; the caller disposes, and nothing is called any more from then on, or once the database
   * is disposed.
   * @param onNotify must not throw and must not block
   * @param options the signal ends the opening only
   * @throws {VecpipeError} `unavailable` when the database cannot be reached for it
   */
  listen(channel: string, onNotify: () => void, options?: CallOptions): Promise<AsyncDisposable>;
}

/** What Postgres refused, reduced to what is safe and useful to show: never the SQL, never a row's values. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  /** Five-character SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html */
  readonly sqlState: string;

  constructor(message: string, sqlState: string, options?: ErrorOptions) {
    super(message, options);
    this.sqlState = sqlState;
  }
}
