import type { Queryable } from '../ports/database.ts';

const INTERVAL_MS = 20_000;

export interface HeartbeatOptions {
  /** Time between two signs of life; 20 s when left out. */
  intervalMs?: number;
}

/**
 * Gives a sign of life of a run again and again, so that other machines can tell that it has not died. One that
 * fails is left out. Disposal ends it, and resolves when nothing of it is under way any more: dispose before the
 * database.
 */
export function startHeartbeat(
  database: Queryable,
  runId: string,
  { intervalMs = INTERVAL_MS }: HeartbeatOptions = {},
): AsyncDisposable {
  return new Heartbeat(database, runId, intervalMs);
}

class Heartbeat implements AsyncDisposable {
  readonly #database: Queryable;
  readonly #runId: string;
  readonly #timer: NodeJS.Timeout;
  readonly #end = new AbortController();
  #beating: Promise<void> | undefined;

  constructor(database: Queryable, runId: string, intervalMs: number) {
    this.#database = database;
    this.#runId = runId;
    this.#timer = setInterval(() => this.#beat(), intervalMs).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort();
    await this.#beating;
  }

  /** Where one takes longer than the interval, the next ones are left out. */
  #beat(): void {
    this.#beating ??= this.#giveSign().finally(() => {
      this.#beating = undefined;
    });
  }

  async #giveSign(): Promise<void> {
    try {
      await this.#database.query(
        // A run that another machine had taken for dead is alive after all.
        `update vecpipe.runs set seen_at = now(), finished_at = null, error = null
        where id = $1::uuid and exit_code is null`,
        [this.#runId],
        { signal: this.#end.signal },
      );
    } catch {
      // Whatever is wrong with the database, the run's own statements say it.
    }
  }
}
