/**
 * How fast a run is while another session holds an old snapshot, so that no dead row of the queue can be removed:
 * what dashboards, dumps and forgotten transactions do to every queue in Postgres.
 */
import type { Database } from '../src/ports/database.ts';
import { measuredRun } from './measured-run.ts';
import { createWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

/** About as many as are stored in a second. */
const ROWS_A_SECOND = 3_000;

export interface SnapshotResult {
  rows: number;
  /** Rows a second, and how long the snapshot was held. */
  without: number;
  held: number;
  heldSeconds: number;
  ratio: number;
}

/**
 * Runs over the same number of rows without, with, with and without a snapshot.
 * @param seconds about how long one of them is to take
 */
export async function benchSnapshot(
  serverUrl: string,
  qdrantUrl: string,
  seconds: number,
  dropCollections: (prefix: string) => Promise<void>,
): Promise<SnapshotResult> {
  const rows = seconds * ROWS_A_SECOND;
  const durationsMs = { without: 0, held: 0 };
  for (const kind of ['without', 'held', 'held', 'without'] as const) {
    await using bench = await createWorkbench(rows, serverUrl);
    try {
      const run = async () => {
        const environment = { ...bench.environment, QDRANT_URL: qdrantUrl };
        const { report } = await measuredRun(['vectorize'], bench.folder, environment);
        if (report.entities[0]?.stored !== rows) throw new Error('not every row was stored');
        durationsMs[kind] += report.durationMs;
      };
      await (kind === 'held' ? underSnapshot(bench, run) : run());
    } finally {
      await dropCollections(bench.collection);
    }
  }
  const rate = (durationMs: number) => (rows * 2) / (durationMs / 1000);
  return {
    rows,
    without: rate(durationsMs.without),
    held: rate(durationsMs.held),
    heldSeconds: durationsMs.held / 2 / 1000,
    ratio: durationsMs.without / durationsMs.held,
  };
}

function underSnapshot(bench: Workbench, work: () => Promise<void>): Promise<void> {
  return bench.withDatabase((database: Database) =>
    database.transaction(async (tx) => {
      await tx.query('set transaction isolation level repeatable read');
      // The first statement takes it.
      await tx.query('select 1');
      await work();
    }),
  );
}
