import { setMaxListeners } from 'node:events';
import { Client, Pool, type ClientConfig, type PoolClient, type PoolConfig } from 'pg';
import { usageError, VecpipeError } from '../../errors/vecpipe-error.ts';
import { pause, waitOrAbort } from '../../lifetime/abort.ts';
import type {
  BoundValue,
  CallOptions,
  Database,
  Queryable,
  QueryOptions,
  QueryResult,
} from '../../ports/database.ts';
import { PREPARE_SESSION } from '../session-settings.ts';
import { connectionTarget } from './connection-target.ts';
import { connectError, queryError, type PostgresPlace } from './postgres-error.ts';
import { PostgresListener, type ListenerOptions } from './postgres-listener.ts';
import { PostgresSession } from './postgres-session.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`, with the query parameters that the pg driver knows. */
  url: string;
  /** Connections at once at the most; more work than that waits. */
  maxConnections: number;
  /** Time for a connection to come about, login included; 10 s when left out. */
  connectDeadlineMs?: number;
  /** Time for an aborted statement to end before its connection is cut; 2 s when left out. */
  cancelDeadlineMs?: number;
  /** Where the URL was taken from, for messages; `DATABASE_URL` when left out. */
  source?: string;
}

const DEFAULT_CONNECT_DEADLINE_MS = 10_000;
const DEFAULT_CANCEL_DEADLINE_MS = 2_000;
/** How long disposal waits for sockets to close before it cuts them. */
const CLOSE_LIMIT_MS = 3_000;
/** Calls to a provider may lie between two statements; a new connection costs several round trips. */
const IDLE_LIMIT_MS = 60_000;
/** A server that vanished without a word is noticed minutes after this; by default the system waits two hours. */
const KEEP_ALIVE_MS = 30_000;
const CONNECTION_LOST = 'database_connection_lost';
/** As `server_version_num` counts: Postgres 14. */
const OLDEST_VERSION = 140_000;

/**
 * Opens a pool of connections to a Postgres server (14 or newer) and makes sure that it answers.
 * @throws {VecpipeError} `unavailable` when the server cannot be reached, `usage` when it refuses the login, has
 *   no such database or is too old; the signal's reason when aborted. A failing open leaves no connection behind.
 */
export async function openPostgresDatabase(
  options: PostgresOptions,
  { signal }: CallOptions = {},
): Promise<Database> {
  const source = options.source ?? 'DATABASE_URL';
  const { connectionString, location } = connectionTarget(options.url, source);
  const database = new PostgresDatabase(
    {
      connectionString,
      max: options.maxConnections,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      idleTimeoutMillis: IDLE_LIMIT_MS,
      connectionTimeoutMillis: options.connectDeadlineMs ?? DEFAULT_CONNECT_DEADLINE_MS,
    },
    options.cancelDeadlineMs ?? DEFAULT_CANCEL_DEADLINE_MS,
    { location, source },
  );
  try {
    await database.checkServer(signal);
    return database;
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

class PostgresDatabase implements Database {
  readonly kind = 'postgres';
  readonly exclusive = false;
  readonly location: string;
  readonly #place: PostgresPlace;
  readonly #cancelDeadlineMs: number;
  readonly #listening: Pick<ListenerOptions, 'connection' | 'connectDeadlineMs' | 'place'>;
  readonly #pool: Pool;
  /** Connections whose socket is not closed yet. */
  readonly #open = new Set<Client>();
  /** Those among them that have not finished their login. */
  readonly #connecting = new Set<Client>();
  readonly #sessions = new Set<PostgresSession>();
  readonly #listeners = new Set<PostgresListener>();
  readonly #closing = new AbortController();
  readonly #prepared = new WeakMap<Client, number>();
  /** Connections that were lost so far. */
  #losses = 0;
  /** How many losses a connection has outlived: it was made, or has worked, after them. */
  readonly #outlived = new WeakMap<Client, number>();
  #disposal: Promise<void> | undefined;

  constructor(
    { connectionTimeoutMillis, ...config }: PoolConfig,
    cancelDeadlineMs: number,
    place: PostgresPlace,
  ) {
    this.location = place.location;
    this.#cancelDeadlineMs = cancelDeadlineMs;
    this.#place = place;
    this.#listening = {
      connection: { connectionString: config.connectionString, keepAlive: true },
      connectDeadlineMs: connectionTimeoutMillis ?? DEFAULT_CONNECT_DEADLINE_MS,
      place,
    };
    setMaxListeners(0, this.#closing.signal);
    const open = this.#open;
    const connecting = this.#connecting;
    this.#pool = new Pool({
      ...config,
      // The pool would apply the deadline to waiting for a free connection too, and report a busy pool as an
      // unreachable server; so only the connections are given it.
      Client: class extends Client {
        constructor(clientConfig?: ClientConfig) {
          super({ ...clientConfig, connectionTimeoutMillis });
          open.add(this);
          connecting.add(this);
          // A connection that dies emits `error`, which ends the process when nobody listens; a statement that
          // was running on it is told separately.
          this.on('error', () => {});
          this.on('end', () => {
            open.delete(this);
            connecting.delete(this);
          });
        }
      },
    });
    this.#pool.on('error', () => {});
    this.#pool.on('connect', (client) => {
      connecting.delete(client);
      this.#outlived.set(client, this.#losses);
    });
  }

  /** Connects once, to fail early and in one sentence. */
  async checkServer(signal: AbortSignal | undefined): Promise<void> {
    const version = await this.#withSession({ signal }, async (_session, serverVersion) => serverVersion);
    if (version >= OLDEST_VERSION) return;
    throw usageError(
      'database_too_old',
      `vecpipe needs Postgres 14 or newer, and the server at ${this.location} is Postgres ${Math.floor(version / 10_000)}`,
    );
  }

  query<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly BoundValue[],
    { timeLimitMs, ...options }: QueryOptions = {},
  ): Promise<QueryResult<Row>> {
    return this.#withSession(options, (session) =>
      session.query<Row>(sql, values, timeLimitMs === undefined ? {} : { timeLimitMs }),
    );
  }

  execute(script: string, options: CallOptions = {}): Promise<void> {
    return this.#withSession(options, (session) => session.execute(script));
  }

  transaction<Result>(work: (tx: Queryable) => Promise<Result>, options: CallOptions = {}): Promise<Result> {
    return this.#withSession(options, async (session) => {
      await session.execute('begin');
      try {
        const result = await work(session);
        await session.commit();
        return result;
      } catch (error) {
        await session.rollback();
        throw error;
      }
    });
  }

  /** By a connection of its own, besides those of the pool. */
  async listen(
    channel: string,
    onNotify: () => void,
    { signal }: CallOptions = {},
  ): Promise<AsyncDisposable> {
    const closing = this.#closing.signal;
    const options = { ...this.#listening, channel, onNotify };
    const listener = await PostgresListener.open(options, [signal, closing]);
    this.#listeners.add(listener);
    const end = async () => {
      this.#listeners.delete(listener);
      await listener[Symbol.asyncDispose]();
    };
    if (closing.aborted) await end();
    closing.throwIfAborted();
    return { [Symbol.asyncDispose]: end };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#close();
    return this.#disposal;
  }

  /** Takes a connection for as long as `work` runs; it goes back to the pool only in a known state. */
  async #withSession<Result>(
    { signal }: { signal?: AbortSignal | undefined },
    work: (session: PostgresSession, serverVersion: number) => Promise<Result>,
  ): Promise<Result> {
    const client = await this.#connect(signal);
    const session = new PostgresSession(client, {
      translate: (error) => queryError(error, this.#place),
      cancelDeadlineMs: this.#cancelDeadlineMs,
      signal,
    });
    this.#sessions.add(session);
    try {
      return await work(session, await this.#prepare(client, session));
    } catch (error) {
      if (error instanceof VecpipeError && error.code === CONNECTION_LOST) this.#losses += 1;
      throw error;
    } finally {
      this.#sessions.delete(session);
      if (!session.isBroken) this.#outlived.set(client, this.#losses);
      client.release(session.isBroken);
    }
  }

  /**
   * A connection that has been idle since before another one was lost is left out: what ended that one, such as a
   * restart, has mostly ended all of them, and each would cost a statement to find out.
   */
  async #connect(signal: AbortSignal | undefined): Promise<PoolClient> {
    for (;;) {
      const client = await this.#take(signal);
      if ((this.#outlived.get(client) ?? 0) >= this.#losses) return client;
      client.release(true);
    }
  }

  async #take(signal: AbortSignal | undefined): Promise<PoolClient> {
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    // A pool that is ended forgets those who wait for a connection.
    const connected = waitOrAbort(this.#pool.connect(), this.#closing.signal, (late) => late.release());
    try {
      return await waitOrAbort(connected, signal, (late) => late.release());
    } catch (error) {
      if (signal?.aborted || this.#closing.signal.aborted) throw error;
      throw connectError(error, this.#place);
    }
  }

  /** Pins the settings of a session that is new, and remembers the version of the server behind it. */
  async #prepare(client: PoolClient, session: PostgresSession): Promise<number> {
    const known = this.#prepared.get(client);
    if (known !== undefined) return known;
    const { rows } = await session.query<{ server_version: number }>(PREPARE_SESSION);
    const version = rows[0]?.server_version ?? 0;
    this.#prepared.set(client, version);
    return version;
  }

  async #close(): Promise<void> {
    const reason = new Error('the database has been closed');
    this.#closing.abort(reason);
    for (const session of this.#sessions) session.abort(reason);
    for (const client of this.#connecting) client.connection.stream.destroy();
    // The pool is done when it has sent its good-byes; the sockets close a little later.
    const ends = Array.from(
      this.#open,
      (client) => new Promise<void>((resolve) => client.once('end', resolve)),
    );
    const unheard = [...this.#listeners].map((listener) => listener[Symbol.asyncDispose]());
    const closed = Promise.all([this.#pool.end(), ...ends, ...unheard]);
    const finished = new AbortController();
    const late = pause(CLOSE_LIMIT_MS, finished.signal);
    await Promise.race([closed, late]);
    finished.abort();
    for (const client of this.#open) client.connection.stream.destroy();
    await closed;
  }
}
