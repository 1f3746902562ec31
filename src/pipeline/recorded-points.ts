import type { CallOptions, Queryable } from '../ports/database.ts';

/** Points that the store should hold for one tenant's entity. */
export async function recordedPoints(
  database: Queryable,
  generationId: number,
  tenant: string,
  entity: string,
  options: CallOptions = {},
): Promise<number> {
  const { rows } = await database.query<{ points: number }>(
    `select coalesce(sum(chunks), 0)::int8 as points from vecpipe.vector_state
    where generation_id = $1 and tenant = $2 and entity = $3`,
    [generationId, tenant, entity],
    options,
  );
  return rows[0]?.points ?? 0;
}
