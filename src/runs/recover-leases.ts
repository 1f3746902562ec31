import type { CallOptions, Database } from '../ports/database.ts';
import { isProcessAlive, processSpace } from '../util/process-space.ts';

interface OpenRun {
  id: string;
  machine: string;
  pid: number;
  startedTicks: number | null;
  isForgotten: boolean;
}

/** Much longer than the leases of a run last that gives no sign of life. */
const FORGOTTEN_AFTER = '10 minutes';

/**
 * Frees the leases of runs that are known to have died, so that nobody has to wait until they run out: those of
 * this machine whose process is gone and, in a database that only one process can open, all but our own. What
 * happened on other machines cannot be known, and their leases end by time; such a run is only noted as dead when it
 * has given no sign of life for long and holds no lease any more.
 * @returns how many rows were freed
 */
export async function recoverLeases(
  database: Database,
  ownRunId: string,
  options: CallOptions = {},
): Promise<number> {
  const ids = await findDeadRuns(database, ownRunId, options);
  const { changed } = await database.query(
    `with left_behind as (
      -- Locked in key order, as every other writer does, so that two of them cannot wait for each other.
      select tenant, entity, building, key from vecpipe.queue
      where lease_run = any ($1::uuid[])
        -- A run that ended could not give these back: the database was away.
        or lease_run in (select id from vecpipe.runs where finished_at is not null)
      order by tenant, entity, building, key
      for update
    )
    update vecpipe.queue q set lease_token = null, lease_until = null, lease_run = null
    from left_behind l
    where q.tenant = l.tenant and q.entity = l.entity and q.building = l.building and q.key = l.key`,
    [ids],
    options,
  );
  await database.query(
    `update vecpipe.runs set finished_at = now(), error = 'the process died before it could say how the run ended'
    where id = any ($1::uuid[]) and finished_at is null`,
    [ids],
    options,
  );
  return changed;
}

/** Ids of the runs that are known to have died and are not noted as such yet. */
export async function findDeadRuns(
  database: Database,
  ownRunId: string,
  options: CallOptions = {},
): Promise<string[]> {
  const { rows: open } = await database.query<OpenRun>(
    `select id::text, machine, pid, process_started_ticks as "startedTicks",
      machine <> $2 and seen_at < now() - $3::interval and not exists (
        select from vecpipe.queue where lease_run = runs.id and lease_until > now()
      ) as "isForgotten"
    from vecpipe.runs
    where finished_at is null and id <> $1::uuid`,
    [ownRunId, processSpace(), FORGOTTEN_AFTER],
    options,
  );
  const dead = open.filter(
    (run) => database.exclusive || run.isForgotten || !isProcessAlive(run.machine, run.pid, run.startedTicks),
  );
  return dead.map((run) => run.id);
}
