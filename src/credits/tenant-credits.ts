import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Batch } from '../queue/work.ts';
import { creditMicros, wholeCredits } from './credits.ts';
import { reserveCredits } from './reserve-credits.ts';
import type { Shortage } from './reserve-credits.ts';

export interface TenantCreditsOptions {
  /** Of the provider or its fallback, whichever costs more. */
  creditsPerMillionTokens: number;
  leaseMs: number;
}

/** How many of a batch's rows, from the first on, have their credits reserved. */
export interface Covered {
  rows: number;
  /** Why none has; null where credits may come back for the others once these are recorded. */
  shortage: VecpipeError | null;
}

/** The credits do not reach now, but batches under way may give some back: the rows are to come again. */
export class CreditsBusyError extends Error {
  override readonly name = 'CreditsBusyError';
  constructor() {
    super('the credits that are missing are reserved by batches under way');
  }
}

/** Reserves a tenant's credits for batches before their texts are sent. */
export class TenantCredits {
  readonly #database: Queryable;
  readonly #options: TenantCreditsOptions;

  constructor(database: Queryable, options: TenantCreditsOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Reserves for all of the rows or, where the credits do not reach, for as many as they do. Batches reserve more than
   * they use, so a tenant is out of credits only when they reach for no row and no batch may give any back.
   * @param rowTokens tokens by row, in the order in which the rows are covered
   * @throws CreditsBusyError when they reach for no row now; whatever the database throws
   */
  async reserve(batch: Batch, rowTokens: readonly number[], options: CallOptions = {}): Promise<Covered> {
    const { creditsPerMillionTokens, leaseMs } = this.#options;
    const { tenant, entity, runId, leaseToken: id } = batch;
    const needs = neededCredits(rowTokens, creditsPerMillionTokens);
    for (let rows = rowTokens.length; ;) {
      const credits = needs[rows] ?? 0;
      if (credits === 0) return { rows, shortage: null };
      const request = { id, tenant, entity, runId, credits, rows, leaseMs };
      const shortage = await reserveCredits(this.#database, request, options);
      if (shortage === null) return { rows, shortage: null };
      // An account may be below zero, and zero rows are always covered.
      const affordable = Math.max(0, affordableNow(shortage));
      const limit = rows;
      rows = needs.findLastIndex((need, count) => count < limit && need <= affordable);
      if (rows > 0) continue;
      if (shortage.reserved + shortage.runReserved > 0) throw new CreditsBusyError();
      return { rows: 0, shortage: this.#outOfCredits(batch, shortage, needs[1] ?? 0) };
    }
  }

  #outOfCredits({ tenant, entity }: Batch, { available, runLeft }: Shortage, needed: number): VecpipeError {
    if (runLeft !== null && runLeft < (available ?? Infinity)) {
      return new VecpipeError(
        'credits',
        `--max-credits leaves the run ${Math.max(0, runLeft)} credits, and the next row of ${entity} of tenant ${tenant} may cost ${needed}`,
        {
          code: 'max_credits_reached',
          hint: 'run the same command again for the rest, or raise --max-credits',
        },
      );
    }
    return new VecpipeError(
      'credits',
      `tenant ${tenant} has ${available ?? 0} credits left, and the next row of ${entity} may cost ${needed}`,
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
