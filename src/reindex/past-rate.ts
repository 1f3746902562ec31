import type { CallOptions, Database } from '../ports/database.ts';

/** Rows a second that the runs over this tenant and entity stored lately; null when none says. */
export async function readPastRate(
  database: Database,
  tenant: string,
  entity: string,
  options: CallOptions = {},
): Promise<number | null> {
  const { rows } = await database.query<{ rate: number | null }>(
    `select (sum(stored) / nullif(sum(seconds), 0))::float8 as rate from (
      select (counts->>'stored')::float8 as stored, extract(epoch from finished_at - started_at)::float8 as seconds
      from vecpipe.runs
      where command in ('vectorize', 'reindex') and tenants = array[$1] and entities = array[$2]
        and finished_at is not null and parent_id is null and (counts->>'embedded')::float8 >= 100
      order by started_at desc limit 5
    ) as run`,
    [tenant, entity],
    options,
  );
  return rows[0]?.rate ?? null;
}
