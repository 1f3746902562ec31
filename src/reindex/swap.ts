import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import { unavailableError } from '../errors/vecpipe-error.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { healAlias } from '../pipeline/generation.ts';
import type { GenerationRecord } from './generation-records.ts';

export interface Swap {
  /** Held, so that nothing is claimed for it (see `holdClaims`). */
  live: GenerationRecord;
  /** To be live. */
  next: GenerationRecord;
  entity: string;
  tenants: readonly string[];
  /** For so long the old one can be gone back to; null until it is dropped by hand. */
  keepMs: number | null;
}

/**
 * Makes another generation the live one: first for vecpipe, in one transaction, then for readers, by one move of the
 * alias. Whoever comes upon an alias that was not moved any more moves it (see `ensureGeneration`).
 * @throws {VecpipeError} `unavailable` when another run was faster, or the hold has ended before
 */
export async function swapGenerations(
  database: Database,
  store: VectorStore,
  swap: Swap,
  options: CallOptions = {},
): Promise<void> {
  // Not to be aborted half way: what it did must be known.
  await retryConflicts(() => database.transaction((tx) => recordSwap(tx, swap)));
  await store.setAlias(swap.next.collection, swap.next.physical, options);
  // Another run may have swapped again, and moved the alias before we did.
  await healAlias(database, store, swap.next.collection, options);
}

async function recordSwap(tx: Queryable, { live, next, entity, tenants, keepMs }: Swap): Promise<void> {
  const retired = await tx.query<{ isHeld: boolean }>(
    `update vecpipe.generations g set status = 'retired', held_until = null, retired_at = now(),
      keep_until = now() + $2::float8 * interval '1 millisecond'
    from (select id, held_until from vecpipe.generations where id = $1 and status = 'live' for no key update) old
    where g.id = old.id
    returning coalesce(old.held_until > clock_timestamp(), false) as "isHeld"`,
    [live.id, keepMs],
  );
  // One that is about to be dropped is retired since no time.
  const begun = await tx.query(
    `update vecpipe.generations set status = 'live', retired_at = null, keep_until = null
    where id = $1 and status = $2 and (status = 'building' or retired_at is not null)`,
    [next.id, next.status],
  );
  if (retired.rows[0]?.isHeld === false) throw holdLost(live.collection);
  if (retired.changed !== 1 || begun.changed !== 1) {
    throw unavailableError(
      'generation_replaced',
      `another run has made another generation of collection ${live.collection} live`,
      'run the same command again',
    );
  }
  // What is queued from now on is done for another generation: before they say it again, rows have to be compared.
  await tx.query('delete from vecpipe.trigger_baselines where generation_id = any ($1::int8[])', [
    [live.id, next.id],
  ]);
  await moveQueue(tx, next.id, entity, tenants);
}

function holdLost(collection: string) {
  return unavailableError(
    'hold_lost',
    `this run was held up for so long that others could work on collection ${collection} again before the swap`,
    'run the same command again',
  );
}

/** What is left of the work for the generation that was built is now work for the live one. */
async function moveQueue(
  tx: Queryable,
  generationId: number,
  entity: string,
  tenants: readonly string[],
): Promise<void> {
  await tx.query(
    `insert into vecpipe.queue as q
      (tenant, entity, key, operation, row_hash, attempts, available_at, unconfirmed, error_code, error,
      failed_generation, failures)
    select tenant, entity, key, operation, row_hash, attempts, available_at, unconfirmed, error_code, error,
      failed_generation, failures
    from vecpipe.queue where building = $1 and tenant = any ($2::text[]) and entity = $3
    order by tenant, key
    on conflict (tenant, entity, building, key) do update set version = q.version + 1, unconfirmed = true`,
    [generationId, tenants, entity],
  );
  await tx.query(
    'delete from vecpipe.queue where building = $1 and tenant = any ($2::text[]) and entity = $3',
    [generationId, tenants, entity],
  );
}
