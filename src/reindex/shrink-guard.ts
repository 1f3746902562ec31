import { usageError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import { DELETE_GUARD } from '../sources/rows/difference.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { sourceError } from '../sources/rows/source-error.ts';

/**
 * Refuses to replace a generation by one that would be much smaller, as after a source table was truncated.
 * @throws {VecpipeError} `usage`
 */
export async function refuseShrinking(
  database: Database,
  source: RowSource,
  liveId: number,
  options: CallOptions = {},
): Promise<void> {
  const { recorded, vanished } = await countVanished(database, source, liveId, options);
  if (vanished <= DELETE_GUARD * recorded) return;
  throw usageError(
    'collection_shrinks',
    `${vanished} of ${recorded} stored rows are gone from ${source.description}, more than 20 %: the collection was left as it is`,
    'run again with --yes if that is right',
  );
}

/**
 * The rows that are recorded for a generation ($3) as `v`, with the key of the source's row, if there is one, as `s`.
 * A join: what a list of keys that is too large for the memory would cost grows with its square.
 */
function recordedRows(source: RowSource): string {
  return `
    from vecpipe.vector_state v
    left join (
      select distinct (${source.keySql}) collate "C" as key from ${source.from} where ${source.tenantCondition}
    ) s on s.key = v.key
    where v.generation_id = $3 and v.tenant = $1 and v.entity = $2`;
}

/** Rows that are recorded for a generation, and those of them that the source does not have any more. */
async function countVanished(
  database: Database,
  source: RowSource,
  generationId: number,
  options: CallOptions = {},
): Promise<{ recorded: number; vanished: number }> {
  const { rows } = await database
    .query<{ recorded: number; vanished: number }>(
      `select count(*) as recorded, count(*) filter (where s.key is null) as vanished
      ${recordedRows(source)}`,
      [source.tenant, source.entity.name, generationId],
      options,
    )
    .catch((error: unknown) => {
      throw sourceError(error, source);
    });
  return rows[0] ?? { recorded: 0, vanished: 0 };
}

/** A page of the vanished keys, in ascending order. */
export async function vanishedKeys(
  database: Database,
  source: RowSource,
  generationId: number,
  { limit, ...options }: CallOptions & { limit: number },
): Promise<string[]> {
  const { rows } = await database
    .query<{ key: string }>(
      `select v.key ${recordedRows(source)} and s.key is null
      order by v.key limit $4`,
      [source.tenant, source.entity.name, generationId, limit],
      options,
    )
    .catch((error: unknown) => {
      throw sourceError(error, source);
    });
  return rows.map(({ key }) => key);
}
