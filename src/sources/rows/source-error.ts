import { usageError } from '../../errors/vecpipe-error.ts';
import { DatabaseError } from '../../ports/database.ts';
import type { RowSource } from './row-source.ts';

/**
 * Classes of SQLSTATE that reading a source raises because of what the source is: a value that cannot be cast or
 * divided, a subquery with several rows, a relation that is gone, a limit that a row exceeds, a function that
 * raises. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SOURCE_CLASSES: ReadonlySet<string> = new Set(['21', '22', '42', '54', 'HV', 'P0']);

/** A source was fine when it was opened, and then could not be read; any other error is given back as it is. */
export function sourceError(error: unknown, source: RowSource): unknown {
  if (!(error instanceof DatabaseError) || !SOURCE_CLASSES.has(error.sqlState.slice(0, 2))) return error;
  const setting = source.entity.relation.kind === 'query' ? 'query:' : 'table or view';
  return usageError(
    'rows_unreadable',
    `the rows of ${source.description} cannot be read: ${error.message}`,
    `correct the ${setting} so that it can be read for every row`,
    error,
  );
}
