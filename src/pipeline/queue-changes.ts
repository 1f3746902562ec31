import type { CallOptions, Database } from '../ports/database.ts';
import { planDifference, queueDifference } from '../sources/rows/difference.ts';
import type { WorkOf } from '../queue/work.ts';
import type { Difference } from '../sources/rows/difference.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { Counts, Failure } from './counts.ts';

export interface QueueChangesOptions extends CallOptions, WorkOf {
  /** Queue the deletes of vanished rows even when they are more than the guard lets pass. */
  deleteAll: boolean;
  /** Count only. */
  dryRun: boolean;
}

export interface QueuedChanges {
  /** Rows that differ and are to be worked on, whoever queued them, those that rest as failed included. */
  found: number;
  /** What was found that cannot be queued. */
  failures: Failure[];
}

/**
 * Compares a source with what is recorded for a generation and queues the difference. Adds to the source's counts.
 * @param generationId null when nothing was ever stored
 */
export async function queueChanges(
  database: Database,
  source: RowSource,
  generationId: number | null,
  counts: Counts,
  options: QueueChangesOptions,
): Promise<QueuedChanges> {
  const difference = options.dryRun
    ? await database.transaction((tx) => planDifference(tx, source, generationId, options), options)
    : await queueDifference(database, source, generationId, options);
  counts.inserted += difference.queuedAdded;
  counts.updated += difference.queuedChanged;
  counts.unchanged += difference.unchanged;
  counts.queued += difference.queuedAdded + difference.queuedChanged + difference.queuedDeleted;
  return {
    found: difference.added + difference.changed + (difference.guarded ? 0 : difference.vanished),
    failures: differenceFailures(source, difference),
  };
}

/** What a comparison found that cannot be queued; it stands for several rows, so its key is `*`. */
export function differenceFailures(
  source: RowSource,
  difference: Pick<Difference, 'guarded' | 'vanished' | 'recorded' | 'keyless'>,
): Failure[] {
  const failures: Failure[] = [];
  const add = (code: string, message: string) =>
    failures.push({ tenant: source.tenant, entity: source.entity.name, key: '*', code, message });
  if (difference.guarded) {
    add(
      'delete_guard',
      `${difference.vanished} of ${difference.recorded} stored rows are gone from ${source.description}, more than 20 %: none was deleted; run again with --yes if that is right`,
    );
  }
  if (difference.keyless > 0) {
    const columns = source.entity.keyColumns.join(', ');
    add(
      'key_null',
      `${difference.keyless} rows of ${source.description} cannot be stored because their key (${columns}) is null`,
    );
  }
  return failures;
}
