import { DatabaseError } from '../../ports/database.ts';
import type { CallOptions, Database } from '../../ports/database.ts';
import { differenceCtes, differenceValues, PLANNER_SETTINGS } from './difference.ts';
import type { RowSource } from './row-source.ts';
import { sourceError } from './source-error.ts';

/** A row that is not what is recorded of it, and not queued. */
export interface DifferingRow {
  key: string;
  /** Hex; null for a row that is gone. */
  rowHash: string | null;
}

const PAGE_ROWS = 5_000;

interface Fetched {
  keyless: number;
  key: string | null;
  rowHash: string | null;
}

/**
 * Compares as `queueDifference` does and gives the rows that differ and are not in the queue of the live generation,
 * all of them as they were at one instant. Only those cross the wire, in pages; writes nothing, so that a database
 * that can only be read serves it as well.
 * @param onPage awaited before the next page is read, inside the transaction: it must not call anything slow
 * @returns how many rows have no key, and so can never be stored
 * @throws {VecpipeError} `usage` when the source cannot be read
 */
export async function readDifferingRows(
  database: Database,
  source: RowSource,
  generationId: number | null,
  onPage: (rows: DifferingRow[]) => Promise<void>,
  options: CallOptions,
): Promise<{ keyless: number }> {
  return database.transaction(async (tx) => {
    await tx.execute(PLANNER_SETTINGS, options);
    await tx
      .query(
        `declare vecpipe_differing no scroll cursor for
        with ${differenceCtes(source)}, differing as (
          select d.key, encode(d.hash, 'hex') as "rowHash" from difference d
          left join vecpipe.queue q
            on q.tenant = $1 and q.entity = $2 and q.building = 0 and q.key = d.key
          where d.kind in ('added', 'changed', 'vanished') and q.key is null
        )
        select counted.keyless, differing.key, differing."rowHash" from counted left join differing on true`,
        differenceValues(source, generationId, { deleteAll: false }),
        options,
      )
      .catch((error: unknown) => {
        throw sourceError(error, source);
      });
    let keyless = 0;
    for (;;) {
      const { rows } = await tx
        .query<Fetched>(`fetch ${PAGE_ROWS} from vecpipe_differing`, [], options)
        .catch((error: unknown) => {
          throw error instanceof DatabaseError ? sourceError(error, source) : error;
        });
      if (rows.length === 0) return { keyless };
      keyless = rows[0]?.keyless ?? keyless;
      await onPage(rows.flatMap(({ key, rowHash }) => (key === null ? [] : { key, rowHash })));
    }
  }, options);
}
