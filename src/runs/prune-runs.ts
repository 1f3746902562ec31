import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import { LOOKING_COMMANDS } from './looking-commands.ts';

/** Commands that only look are run by monitors, and worker processes by the dozen: nobody asks for old ones. */
const KEPT = '90 days';
const LOOKS_KEPT = '7 days';

/** Forgets runs that ended long ago, so that the list of them does not grow for ever. */
export async function pruneRuns(database: Queryable, options: CallOptions = {}): Promise<void> {
  await database.query(
    `delete from vecpipe.runs where finished_at < now() - $1::interval
      or (finished_at < now() - $2::interval and (command = any ($3::text[]) or parent_id is not null))`,
    [KEPT, LOOKS_KEPT, LOOKING_COMMANDS],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
}
