import type { Queryable } from '../ports/database.ts';
import type { Target } from './target.ts';

/** Whether the target's rows were stored in another generation as well, whose runs share its queue. */
export async function hasOtherCollection(
  database: Queryable,
  { tenant, entity, generation }: Pick<Target, 'tenant' | 'entity' | 'generation'>,
): Promise<boolean> {
  const { rows } = await database.query<{ found: boolean }>(
    `select exists (
      select from vecpipe.generations g
      where g.id <> $3 and g.status = 'live' and exists (
        select from vecpipe.vector_state where generation_id = g.id and tenant = $1 and entity = $2
      )
    ) as found`,
    [tenant, entity, generation.id],
  );
  return rows[0]?.found ?? false;
}
