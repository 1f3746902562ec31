import type { CallOptions, Queryable } from '../ports/database.ts';
import { isProcessAlive, processSpace } from '../util/process-space.ts';
import { LOOKING_COMMANDS } from './looking-commands.ts';

export interface Run {
  id: string;
  command: string;
  /** `user@host`; null for a run of a version that did not record it. */
  who: string | null;
  tenants: string[];
  entities: string[];
  startedAt: Date;
  /** The last sign of life. */
  seenAt: Date;
  finishedAt: Date | null;
  /** Null while it runs, and for a run that died. */
  exitCode: number | null;
  /** Sums over its entities, by name; null while it runs, and for a run that died. */
  counts: Record<string, number> | null;
  error: string | null;
  state: 'ended' | 'running' | 'died';
}

export interface ListRunsOptions extends CallOptions {
  limit: number;
  /** Only commands that change something. */
  changesOnly?: boolean;
  /** The run that asks. */
  exceptId?: string;
}

interface RunProcess {
  machine: string;
  pid: number;
  startedTicks: number | null;
  isSilent: boolean;
}

/** Six signs of life are missing by then: a run of another machine, whose process cannot be looked at, has died. */
const SILENCE = '2 minutes';

/** The last runs that concerned one of the tenants, the newest first. Workers of a run are part of it. */
export async function listRuns(
  database: Queryable,
  tenants: readonly string[],
  { limit, changesOnly = false, exceptId, ...options }: ListRunsOptions,
): Promise<Run[]> {
  const { rows } = await database.query<Omit<Run, 'state'> & RunProcess>(
    `select id::text, command, who, tenants, entities, started_at as "startedAt", seen_at as "seenAt",
      finished_at as "finishedAt", exit_code as "exitCode", counts, error,
      machine, pid, process_started_ticks as "startedTicks", seen_at < now() - $5::interval as "isSilent"
    from vecpipe.runs
    where tenants && $1::text[] and parent_id is null
      and command <> all ($3::text[]) and id is distinct from $4::uuid
    order by started_at desc limit $2`,
    [tenants, limit, changesOnly ? LOOKING_COMMANDS : [], exceptId ?? null, SILENCE],
    options,
  );
  return rows.map(({ machine, pid, startedTicks, isSilent, ...run }) => ({
    ...run,
    state: stateOf(run, { machine, pid, startedTicks, isSilent }),
  }));
}

function stateOf(
  { exitCode, finishedAt }: Omit<Run, 'state'>,
  { machine, pid, startedTicks, isSilent }: RunProcess,
): Run['state'] {
  if (exitCode !== null) return 'ended';
  // Without an exit code, others have noted that it was over.
  if (finishedAt !== null || !isProcessAlive(machine, pid, startedTicks)) return 'died';
  return isSilent && machine !== processSpace() ? 'died' : 'running';
}
