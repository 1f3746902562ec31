import type { Failure } from '../pipeline/counts.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { GenerationRecord } from './generation-records.ts';

/** Rows that have failed for the generation that is being built, and have points in the live one. */
export async function countLost(
  database: Database,
  {
    live,
    building,
    tenant,
    entity,
  }: { live: GenerationRecord; building: GenerationRecord; tenant: string; entity: string },
  options: CallOptions = {},
): Promise<number> {
  const { rows } = await database.query<{ lost: number }>(
    `select count(*) as lost from vecpipe.queue q
    join vecpipe.vector_state v
      on v.generation_id = $4 and v.tenant = $1 and v.entity = $2 and v.key = q.key and v.chunks > 0
    where q.tenant = $1 and q.entity = $2 and q.building = $3
      and not exists (
        select from vecpipe.vector_state n
        where n.generation_id = $3 and n.tenant = $1 and n.entity = $2 and n.key = q.key
      )`,
    [tenant, entity, building.id, live.id],
    options,
  );
  return rows[0]?.lost ?? 0;
}

export function rowsLost(
  { tenant, entity }: { tenant: string; entity: string },
  lost: number,
  { collection, number }: GenerationRecord,
): Failure {
  return {
    tenant,
    entity,
    key: '*',
    code: 'rows_lost',
    message: `${lost} rows that searches of ${collection} find now could not be embedded for generation ${number}, so it was not made live; run again with --retry-failed, or with --yes to do without them`,
  };
}
