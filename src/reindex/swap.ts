import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import { unavailableError } from '../errors/vecpipe-error.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import type { GenerationRecord } from './generation-records.ts';

export interface Swap {
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
 * @throws {VecpipeError} `unavailable` when another run was faster
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
}

async function recordSwap(tx: Queryable, { live, next, entity, tenants, keepMs }: Swap): Promise<void> {
  const retired = await tx.query(
    `update vecpipe.generations set status = 'retired', held_until = null, retired_at = now(),
      keep_until = now() + $2::float8 * interval '1 millisecond'
    where id = $1 and status = 'live'`,
    [live.id, keepMs],
  );
  const begun = await tx.query(
    `update vecpipe.generations set status = 'live', retired_at = null, keep_until = null
    where id = $1 and status = $2`,
    [next.id, next.status],
  );
  if (retired.changed !== 1 || begun.changed !== 1) {
    throw unavailableError(
      'generation_replaced',
      `another run has made another generation of collection ${live.collection} live`,
      'run the same command again',
    );
  }
  await moveQueue(tx, next.id, entity, tenants);
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
