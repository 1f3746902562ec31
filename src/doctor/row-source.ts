import type { Entity } from '../entities/entity.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import { sourceError } from '../sources/rows/source-error.ts';
import { ok } from './check.ts';
import type { Finding } from './check.ts';

/**
 * Opens a tenant's entity, which looks for every column that the config names, and looks whether it has a row.
 * @throws {VecpipeError} `usage`, as `openRowSource` says
 */
export async function checkRowSource(
  database: Database,
  entity: Entity,
  tenant: string,
  options: CallOptions,
): Promise<Finding> {
  const source = await openRowSource(database, entity, tenant, options);
  const { rows } = await database
    .query<{ hasRow: boolean }>(
      `select exists (select from ${source.from} where ${source.tenantCondition}) as "hasRow"`,
      [tenant],
      options,
    )
    .catch((error: unknown) => {
      throw sourceError(error, source);
    });
  const what = `${source.description}, key ${entity.keyColumns.join(', ')}`;
  if (rows[0]?.hasRow) return ok(`${what}: can be read and has rows`);
  const how = entity.record === null ? '' : '; `vecpipe sync --from <file>` brings some in';
  return ok(`${what}: can be read and has no row of the tenant yet${how}`);
}
