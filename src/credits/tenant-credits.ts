import { VecpipeError } from '../errors/vecpipe-error.ts';
import { pause } from '../lifetime/abort.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Batch } from '../queue/work.ts';
import { creditMicros, wholeCredits } from './credits.ts';
import { reserveCredits } from './reserve-credits.ts';
import type { Shortage } from './reserve-credits.ts';
import { settleReservations } from './settle-reservations.ts';

export interface TenantCreditsOptions {
  /** Of the provider or its fallback, whichever costs more. */
  creditsPerMillionTokens: number;
  leaseMs: number;
}

/** How many of a batch's rows, from the first on, have their credits reserved, and why the others have not. */
export interface Covered {
  rows: number;
  shortage: VecpipeError | null;
}

/** How often a reservation is tried again while other batches may give credits back. */
const POLL_MS = 100;
/** Tries between two looks for reservations that nobody holds any more. */
const POLLS_A_SWEEP = 50;

/** Reserves a tenant's credits for batches before their texts are sent. */
export class TenantCredits {
  readonly #database: Queryable;
  readonly #options: TenantCreditsOptions;

  constructor(database: Queryable, options: TenantCreditsOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Reserves for all of the rows or, where the credits do not reach, for as many as they do. Other batches reserve
   * more than they use, so as long as what they hold could make up the difference, it is waited for.
   * @param rowTokens tokens by row, in the order in which the rows are covered
   * @throws whatever the database throws; the signal's reason when aborted
   */
  async reserve(batch: Batch, rowTokens: readonly number[], options: CallOptions = {}): Promise<Covered> {
    const { creditsPerMillionTokens, leaseMs } = this.#options;
    const { tenant, entity, runId, leaseToken: id } = batch;
    const needs = neededCredits(rowTokens, creditsPerMillionTokens);
    const whole = { rows: rowTokens.length, shortage: null };
    let covered: Covered = whole;
    for (let tries = 1; ; tries += 1) {
      const credits = needs[covered.rows] ?? 0;
      if (credits === 0) return covered;
      const request = { id, tenant, entity, runId, credits, rows: covered.rows, leaseMs };
      const shortage = await reserveCredits(this.#database, request, options);
      if (shortage === null) return covered;
      if (mayCome(shortage) >= (needs[whole.rows] ?? 0)) {
        if (tries % POLLS_A_SWEEP === 0) await settleReservations(this.#database, tenant, options);
        if (!(await pause(POLL_MS, options.signal))) options.signal?.throwIfAborted();
        continue;
      }
      const affordable = affordableNow(shortage);
      const rows = needs.findLastIndex((need, count) => count < covered.rows && need <= affordable);
      covered = { rows, shortage: this.#outOfCredits(batch, shortage, rowTokens.length, needs.at(-1) ?? 0) };
    }
  }

  #outOfCredits(
    { tenant, entity }: Batch,
    { available, runLeft }: Shortage,
    rows: number,
    needed: number,
  ): VecpipeError {
    const next = `the next ${rows === 1 ? 'row' : `${rows} rows`} of ${entity}`;
    if (runLeft !== null && runLeft < (available ?? Infinity)) {
      return new VecpipeError(
        'credits',
        `--max-credits leaves the run ${runLeft} credits, and ${next} of tenant ${tenant} may cost ${needed}`,
        {
          code: 'max_credits_reached',
          hint: 'run the same command again for the rest, or raise --max-credits',
        },
      );
    }
    return new VecpipeError(
      'credits',
      `tenant ${tenant} has ${available ?? 0} credits left, and ${next} may cost ${needed}`,
      {
        code: 'out_of_credits',
        hint: `grant more with \`vecpipe credits grant --tenant ${tenant} <credits>\`; the rows wait in the queue`,
      },
    );
  }
}

/** Credits for the first 0, 1, 2 … rows. */
function neededCredits(rowTokens: readonly number[], creditsPerMillionTokens: number): number[] {
  let micros = 0;
  return [
    0,
    ...rowTokens.map((tokens) => {
      micros += creditMicros(tokens, creditsPerMillionTokens);
      return wholeCredits(micros);
    }),
  ];
}

function affordableNow({ available, runLeft }: Shortage): number {
  return Math.min(available ?? Infinity, runLeft ?? Infinity);
}

/** What could be had if the batches under way used nothing. */
function mayCome({ available, reserved, runLeft, runReserved }: Shortage): number {
  const account = available === null ? Infinity : available + reserved;
  const limit = runLeft === null ? Infinity : runLeft + runReserved;
  return reserved + runReserved > 0 ? Math.min(account, limit) : 0;
}

/** Whether the tenant has an account, hence a limit. */
export async function hasAccount(
  database: Queryable,
  tenant: string,
  options: CallOptions = {},
): Promise<boolean> {
  const { rows } = await database.query(
    'select from vecpipe.credit_accounts where tenant = $1',
    [tenant],
    options,
  );
  return rows.length > 0;
}
