import { usageError } from '../errors/vecpipe-error.ts';
import type { BatchContext } from '../pipeline/process-batch.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { nothingToReindex } from './claim-generation.ts';
import { readGenerations } from './generation-records.ts';
import type { GenerationRecord } from './generation-records.ts';
import { holdClaims } from './hold-claims.ts';
import { refuseShrinking, vanishedKeys } from './shrink-guard.ts';
import { swapGenerations } from './swap.ts';
import { waitForLeases } from './wait-for-leases.ts';

export interface RollbackUnit {
  collection: string;
  entity: string;
  /** One a tenant. */
  sources: readonly RowSource[];
}

export interface RollbackOptions {
  runId: string;
  /** Also where more than a fifth of the old generation's rows are gone. */
  deleteAll: boolean;
  stop: AbortSignal;
}

export interface RolledBack {
  /** Live now. */
  live: GenerationRecord;
  /** Kept, so that it can be gone back to in turn. */
  retired: GenerationRecord;
  /** Rows that were deleted since the old generation had been retired, and are deleted from it as well. */
  deleted: number;
}

/** Rows deleted in one go. */
const PAGE_ROWS = 1000;

/**
 * Makes the generation live again that was replaced last. Rows that are gone since are deleted from it first; those
 * that have changed are as they were, until `vectorize` has run with the settings of that generation.
 * @throws {VecpipeError} `usage` when nothing is kept that could be gone back to
 */
export async function rollBack(
  context: BatchContext,
  { collection, entity, sources }: RollbackUnit,
  { runId, deleteAll, stop }: RollbackOptions,
): Promise<RolledBack> {
  const { database, store } = context;
  const records = await readGenerations(database, store.location, collection, { signal: stop });
  const live = records.find(({ status }) => status === 'live');
  if (!live) throw nothingToReindex(collection);
  const [previous] = records
    .filter(({ status, retiredAt }) => status === 'retired' && retiredAt !== null)
    .toSorted((one, other) => Number(other.retiredAt) - Number(one.retiredAt));
  if (!previous || (await store.describeCollection(previous.physical, { signal: stop })) === null) {
    throw usageError(
      'rollback_nothing',
      `no earlier generation of collection ${collection} is kept`,
      'rebuild it with the earlier settings by `vecpipe reindex`',
    );
  }
  await using hold = await holdClaims(database, live.id);
  const tenants = sources.map(({ tenant }) => tenant);
  await waitForLeases(context, { entity, tenants }, { runId, stop });
  stop.throwIfAborted();
  let deleted = 0;
  for (const source of sources) {
    if (!deleteAll) await refuseShrinking(database, source, previous.id, { signal: stop });
    deleted += await deleteVanished(context, source, previous, stop);
  }
  await swapGenerations(database, store, { live, next: previous, entity, tenants, keepMs: null });
  await hold[Symbol.asyncDispose]();
  return { live: previous, retired: live, deleted };
}

/** @returns how many rows */
async function deleteVanished(
  { database, store }: BatchContext,
  source: RowSource,
  { id, physical }: GenerationRecord,
  signal: AbortSignal,
): Promise<number> {
  const { tenant } = source;
  const entity = source.entity.name;
  for (let deleted = 0; ;) {
    const keys = await vanishedKeys(database, source, id, { limit: PAGE_ROWS, signal });
    if (keys.length === 0) return deleted;
    await store.deleteChunks(
      physical,
      keys.map((key) => ({ tenant, entity, key, fromChunk: 0 })),
      { signal },
    );
    await database.query(
      `delete from vecpipe.vector_state
      where generation_id = $1 and tenant = $2 and entity = $3 and key = any ($4::text[])`,
      [id, tenant, entity, keys],
      { signal },
    );
    deleted += keys.length;
    if (keys.length < PAGE_ROWS) return deleted;
  }
}
