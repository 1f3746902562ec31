import { Client, type ClientConfig } from 'pg';
import { pause } from '../../lifetime/abort.ts';
import { openCallWindow } from '../../lifetime/call-window.ts';
import { quoteIdentifier } from '../quote.ts';
import { PREPARE_SESSION } from '../session-settings.ts';
import { whenAborted } from '../when-aborted.ts';
import { connectError, type PostgresPlace } from './postgres-error.ts';

export interface ListenerOptions {
  channel: string;
  onNotify: () => void;
  connection: ClientConfig;
  /** Time for connecting, login and LISTEN together. */
  connectDeadlineMs: number;
  place: PostgresPlace;
  /** How often the connection is asked whether it is alive; 30 s when left out. */
  beatMs?: number;
}

const DEFAULT_BEAT_MS = 30_000;
const FIRST_BACK_OFF_MS = 250;
const LONGEST_BACK_OFF_MS = 30_000;
/** How long disposal waits for the good-bye before it cuts the connection. */
const CLOSE_LIMIT_MS = 1_000;

/** The server would end a session that listens and says nothing, where it is set to end idle ones. */
const LISTEN_SETTINGS = `${PREPARE_SESSION}, set_config('idle_session_timeout', '0', false)`;

interface Connection {
  client: Client;
  /** Resolves when the socket is closed, for whatever reason. */
  ended: Promise<void>;
}

/**
 * Listens on one channel by a connection of its own. When that dies it is opened again, with growing pauses, until
 * the listener is disposed. Does not reject for that: whether the server can be reached is said by its statements.
 */
export class PostgresListener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #closing = new AbortController();
  #keeping: Promise<void> | undefined;

  private constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** @throws {VecpipeError} as `connectError` says; the reason of the signal that aborts first */
  static async open(
    options: ListenerOptions,
    signals: readonly (AbortSignal | undefined)[],
  ): Promise<PostgresListener> {
    const listener = new PostgresListener(options);
    const connection = await listener.#connect(signals);
    listener.#keeping = listener.#keep(connection);
    return listener;
  }

  /** Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('nobody listens any more'));
    await this.#keeping;
  }

  /** Runs until the listener is disposed. */
  async #keep(connection: Connection): Promise<void> {
    for (let current: Connection | null = connection; current; current = await this.#reconnect()) {
      if (current !== connection) this.#options.onNotify();
      await this.#untilEnded(current);
    }
  }

  async #untilEnded({ client, ended }: Connection): Promise<void> {
    const stopBeating = this.#beat(client);
    const stopListening = whenAborted([this.#closing.signal], () => void close(client, ended));
    if (this.#closing.signal.aborted) void close(client, ended);
    try {
      await ended;
    } finally {
      stopListening();
      stopBeating();
    }
  }

  /** @returns null once the listener is being disposed */
  async #reconnect(): Promise<Connection | null> {
    const { signal } = this.#closing;
    let backOffMs = FIRST_BACK_OFF_MS;
    // By chance a little sooner: when a server comes back, not all that lost it should come in the same moment.
    while (await pause(backOffMs * (0.5 + Math.random() / 2), signal)) {
      backOffMs = Math.min(backOffMs * 2, LONGEST_BACK_OFF_MS);
      const connection = await this.#connect([signal]).catch(() => null);
      if (connection) return connection;
    }
    return null;
  }

  async #connect(signals: readonly (AbortSignal | undefined)[]): Promise<Connection> {
    const { channel, connection, connectDeadlineMs, place } = this.#options;
    using window = openCallWindow(signals, connectDeadlineMs);
    window.throwIfStopped();
    const client = new Client(connection);
    const ended = new Promise<void>((resolve) => client.once('end', resolve));
    // A connection that dies emits it, which ends the process when nobody listens; `end` follows.
    client.on('error', () => {});
    client.on('notification', () => {
      if (!this.#closing.signal.aborted) this.#options.onNotify();
    });
    const stopListening = whenAborted([window.signal], () => cut(client));
    try {
      await client.connect();
      await client.query(LISTEN_SETTINGS);
      await client.query(`listen ${quoteIdentifier(channel)}`);
      return { client, ended };
    } catch (error) {
      cut(client);
      window.throwIfStopped();
      throw connectError(window.signal.aborted ? new Error('timeout expired') : error, place);
    } finally {
      stopListening();
    }
  }

  /** Nothing but silence tells that the other side of a connection is gone without a word. */
  #beat(client: Client): () => void {
    let isWaiting = false;
    const answered = () => {
      isWaiting = false;
    };
    const timer = setInterval(() => {
      if (isWaiting) return cut(client);
      isWaiting = true;
      client.query('select 1').then(answered, answered);
    }, this.#options.beatMs ?? DEFAULT_BEAT_MS);
    return () => clearInterval(timer);
  }
}

function cut(client: Client): void {
  client.connection.stream.destroy();
}

async function close(client: Client, ended: Promise<void>): Promise<void> {
  const timer = setTimeout(() => cut(client), CLOSE_LIMIT_MS);
  client.end().catch(() => cut(client));
  await ended;
  clearTimeout(timer);
}
