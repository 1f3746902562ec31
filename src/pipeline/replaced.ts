import { unavailableError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Generation } from './generation.ts';

/**
 * Refuses to go on with a generation that a reindex has replaced since it was opened.
 * @throws {VecpipeError} `unavailable`
 */
export async function refuseReplaced(
  database: Queryable,
  { id, collection }: Pick<Generation, 'id' | 'collection'>,
  options: CallOptions = {},
): Promise<void> {
  const { rows } = await database.query<{ status: string }>(
    'select status from vecpipe.generations where id = $1',
    [id],
    options,
  );
  const status = rows[0]?.status;
  if (status === 'live' || status === 'building') return;
  throw unavailableError(
    'generation_replaced',
    `another generation of collection ${collection} was made live while this run was under way`,
    'run the same command again',
  );
}
