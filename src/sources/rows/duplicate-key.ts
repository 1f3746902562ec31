import { usageError } from '../../errors/vecpipe-error.ts';
import type { CallOptions, Queryable } from '../../ports/database.ts';
import type { RowSource } from './row-source.ts';
import { sourceError } from './source-error.ts';

/** Whether several rows of the source have one key; reads all of them. */
export async function hasDuplicateKey(
  database: Queryable,
  source: RowSource,
  options: CallOptions,
): Promise<boolean> {
  const { rows } = await database
    .query(
      `select from ${source.from} where ${source.tenantCondition} and (${source.keySql}) is not null
      group by (${source.keySql}) collate "C" having count(*) > 1 limit 1`,
      [source.tenant],
      options,
    )
    .catch((error: unknown) => {
      throw sourceError(error, source);
    });
  return rows.length > 0;
}

export function duplicateKeyError(error: unknown, source: RowSource): unknown {
  return usageError(
    'key_not_unique',
    `${source.description} has several rows with the same key (${source.entity.keyColumns.join(', ')})`,
    `give entities.${source.entity.name}.key the columns that tell its rows apart`,
    error,
  );
}
