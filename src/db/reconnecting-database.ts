import type { VecpipeError } from '../errors/vecpipe-error.ts';
import { Outage } from '../lifetime/outage.ts';
import type { WaitOptions } from '../lifetime/outage.ts';
import type {
  BoundValue,
  CallOptions,
  Database,
  Queryable,
  QueryOptions,
  QueryResult,
} from '../ports/database.ts';

/**
 * Errors that pass by themselves: a restart, a crash recovery, a failover, a killed backend, too many connections.
 * Not among them: a full disk, a lack of memory, a refused login, a missing database.
 */
const OUTAGES: ReadonlySet<string> = new Set([
  'database_unreachable',
  'database_connection_lost',
  'database_too_many_connections',
]);

/** The primary that a failover has demoted is read-only until its address leads to the new one. */
const READ_ONLY = 'database_read_only';

/**
 * An open database whose calls wait while the server is away (see {@link Outage}). A statement or transaction whose
 * answer was lost is sent again, though it may have been applied: callers send only what may be applied twice, and
 * read counts of changed rows as "at least". A transaction is repeated as a whole, a lost answer to its COMMIT
 * included, so its `work` begins anew each time and keeps nothing from an earlier try.
 * Disposal ends all waiting and closes the database.
 */
export function reconnectingDatabase(database: Database, options: WaitOptions): Database {
  return new ReconnectingDatabase(database, options);
}

class ReconnectingDatabase implements Database {
  readonly kind: Database['kind'];
  readonly location: string;
  readonly exclusive: boolean;
  readonly #database: Database;
  readonly #outage: Outage;

  constructor(database: Database, options: WaitOptions) {
    this.kind = database.kind;
    this.location = database.location;
    this.exclusive = database.exclusive;
    this.#database = database;
    this.#outage = new Outage({
      ...options,
      service: `Postgres at ${database.location}`,
      hasAnswered: true,
      isOutage: ({ code }: VecpipeError, isKnown) => OUTAGES.has(code) || (isKnown && code === READ_ONLY),
      // An idle connection that died with a restart says so only when it is used.
      isOneConnection: ({ code }) => code === 'database_connection_lost',
    });
  }

  query<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly BoundValue[],
    { signal, ...limits }: QueryOptions = {},
  ): Promise<QueryResult<Row>> {
    return this.#outage.run(
      (attempt) => this.#database.query<Row>(sql, values, { ...limits, ...attempt }),
      signal,
    );
  }

  execute(script: string, options: CallOptions = {}): Promise<void> {
    return this.#outage.run((attempt) => this.#database.execute(script, attempt), options.signal);
  }

  transaction<Result>(work: (tx: Queryable) => Promise<Result>, options: CallOptions = {}): Promise<Result> {
    return this.#outage.run((attempt) => this.#database.transaction(work, attempt), options.signal);
  }

  /** Once it listens, the database itself opens it again. */
  listen(channel: string, onNotify: () => void, options: CallOptions = {}): Promise<AsyncDisposable> {
    return this.#outage.run((attempt) => this.#database.listen(channel, onNotify, attempt), options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outage[Symbol.dispose]();
    await this.#database[Symbol.asyncDispose]();
  }
}
