import type { Database } from '../ports/database.ts';

const HOLD_MS = 30_000;

/**
 * Keeps every worker from claiming rows for a generation, so that it can be replaced at a moment at which nothing is
 * written to it. It ends by itself when the process dies; disposal ends it at once, and only once.
 */
export async function holdClaims(database: Database, generationId: number): Promise<AsyncDisposable> {
  const hold = new ClaimHold(database, generationId);
  await hold.begin();
  return hold;
}

class ClaimHold implements AsyncDisposable {
  readonly #database: Database;
  readonly #generationId: number;
  #timer: NodeJS.Timeout | undefined;
  #extending: Promise<void> | undefined;
  #isOver = false;

  constructor(database: Database, generationId: number) {
    this.#database = database;
    this.#generationId = generationId;
  }

  async begin(): Promise<void> {
    await this.#database.query(
      `update vecpipe.generations set held_until = now() + $2::float8 * interval '1 millisecond'
      where id = $1 and status = 'live'`,
      [this.#generationId, HOLD_MS],
    );
    this.#timer = setInterval(() => this.#beat(), HOLD_MS / 3).unref();
  }

  /** Never begins it anew: rows may have been claimed meanwhile, and the swap has to notice. */
  async #extend(): Promise<void> {
    await this.#database.query(
      `update vecpipe.generations set held_until = now() + $2::float8 * interval '1 millisecond'
      where id = $1 and status = 'live' and held_until > now()`,
      [this.#generationId, HOLD_MS],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    await this.#extending;
    // Where the database is away it ends by itself, and what has failed before is the error to tell.
    await this.#database
      .query('update vecpipe.generations set held_until = null where id = $1', [this.#generationId])
      .catch(() => {});
  }

  /** One that fails is left out: should the hold end meanwhile, the swap notices. */
  #beat(): void {
    this.#extending ??= this.#extend()
      .catch(() => {})
      .finally(() => {
        this.#extending = undefined;
      });
  }
}
