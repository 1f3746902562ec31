import type { CallOptions, Queryable } from '../ports/database.ts';
import { processSpace, processStartTicks } from '../util/process-space.ts';

export interface RunStart {
  id: string;
  command: string;
  tenants: readonly string[];
  entities: readonly string[];
}

export interface RunEnd {
  exitCode: number;
  counts: Record<string, number>;
  /** One sentence, or null when nothing went wrong. */
  error: string | null;
}

/** Leaves a row that says who runs what; {@link recordRunEnd} completes it. */
export async function recordRunStart(
  database: Queryable,
  run: RunStart,
  options: CallOptions = {},
): Promise<void> {
  await database.query(
    `insert into vecpipe.runs (id, command, tenants, entities, machine, pid, process_started_ticks)
    values ($1::uuid, $2, $3::text[], $4::text[], $5, $6, $7)`,
    [run.id, run.command, run.tenants, run.entities, processSpace(), process.pid, processStartTicks()],
    options,
  );
}

export async function recordRunEnd(
  database: Queryable,
  id: string,
  end: RunEnd,
  options: CallOptions = {},
): Promise<void> {
  await database.query(
    `update vecpipe.runs set finished_at = now(), exit_code = $2, counts = $3::text::jsonb, error = $4
    where id = $1::uuid`,
    [id, end.exitCode, JSON.stringify(end.counts), end.error],
    options,
  );
}
