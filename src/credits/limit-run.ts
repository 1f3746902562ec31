import type { CallOptions, Queryable } from '../ports/database.ts';

/** Lets a run that is in vecpipe.runs, its workers included, spend so many credits and no more. */
export async function limitRun(
  database: Queryable,
  runId: string,
  credits: number,
  options: CallOptions = {},
): Promise<void> {
  const { changed } = await database.query(
    'update vecpipe.runs set credits_left = $2 where id = $1::uuid',
    [runId, credits],
    options,
  );
  if (changed === 0) throw new Error('the run to be limited is not in vecpipe.runs');
}
