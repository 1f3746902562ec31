import type { CallOptions, Queryable } from '../ports/database.ts';
import { isProcessAlive } from '../util/process-space.ts';

export interface Run {
  id: string;
  command: string;
  startedAt: Date;
  finishedAt: Date | null;
  /** Null while it runs, and for a run that died. */
  exitCode: number | null;
  /** Sums over its entities, by name; null while it runs, and for a run that died. */
  counts: Record<string, number> | null;
  error: string | null;
  state: 'ended' | 'running' | 'died';
}

interface RunRow extends Omit<Run, 'state'> {
  machine: string;
  pid: number;
  startedTicks: number | null;
}

/** The last runs that concerned one of the tenants, the newest first. */
export async function listRuns(
  database: Queryable,
  tenants: readonly string[],
  options: CallOptions & { limit: number },
): Promise<Run[]> {
  const { rows } = await database.query<RunRow>(
    `select id::text, command, started_at as "startedAt", finished_at as "finishedAt", exit_code as "exitCode",
      counts, error, machine, pid, process_started_ticks as "startedTicks"
    from vecpipe.runs where tenants && $1::text[] order by started_at desc limit $2`,
    [tenants, options.limit],
    options,
  );
  return rows.map(({ machine, pid, startedTicks, ...run }) => ({
    ...run,
    state: run.exitCode !== null ? 'ended' : isOver(run, machine, pid, startedTicks) ? 'died' : 'running',
  }));
}

function isOver(run: Omit<Run, 'state'>, machine: string, pid: number, startedTicks: number | null): boolean {
  return run.finishedAt !== null || !isProcessAlive(machine, pid, startedTicks);
}
