import type { CallOptions, Queryable } from '../ports/database.ts';
import { processSpace, processStartTicks } from '../util/process-space.ts';
import { whoRuns } from './who.ts';

export interface RunStart {
  id: string;
  command: string;
  tenants: readonly string[];
  entities: readonly string[];
  /** The run that started this one as a worker of its own. */
  parentId?: string;
}

export interface RunEnd {
  exitCode: number;
  counts: Record<string, number>;
  /** One sentence, or null when nothing went wrong. */
  error: string | null;
}

/**
 * Leaves a row that says who runs what; {@link recordRunEnd} completes it. May be repeated where it is not known
 * whether it succeeded.
 */
export async function recordRunStart(
  database: Queryable,
  run: RunStart,
  options: CallOptions = {},
): Promise<void> {
  await database.query(
    `insert into vecpipe.runs
      (id, command, tenants, entities, machine, pid, process_started_ticks, who, parent_id)
    values ($1::uuid, $2, $3::text[], $4::text[], $5, $6, $7, $8, $9::uuid)
    on conflict do nothing`,
    [
      run.id,
      run.command,
      run.tenants,
      run.entities,
      processSpace(),
      process.pid,
      processStartTicks(),
      whoRuns(),
      run.parentId ?? null,
    ],
    options,
  );
}

/** Says how a run ended, also of one that somebody had taken for dead. May be repeated. */
export async function recordRunEnd(
  database: Queryable,
  id: string,
  end: RunEnd,
  options: CallOptions = {},
): Promise<void> {
  await database.query(
    `update vecpipe.runs set
      seen_at = now(), finished_at = now(), exit_code = $2, counts = $3::text::jsonb, error = $4
    where id = $1::uuid`,
    [id, end.exitCode, JSON.stringify(end.counts), end.error],
    options,
  );
}

/**
 * Whether runs can be recorded at all: not on a standby, and not by a user who may only read. Asked of the database
 * instead of tried, since a refused write may be taken for an outage and waited for.
 */
export async function canRecordRuns(database: Queryable, options: CallOptions = {}): Promise<boolean> {
  const { rows } = await database.query<{ canWrite: boolean }>(
    `select current_setting('transaction_read_only') = 'off'
      and has_table_privilege('vecpipe.runs', 'insert') and has_table_privilege('vecpipe.runs', 'update')
      as "canWrite"`,
    [],
    options,
  );
  return rows[0]?.canWrite === true;
}
