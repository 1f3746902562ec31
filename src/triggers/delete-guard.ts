import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import { HAS_FAILED } from '../queue/failed-sql.ts';
import { DELETE_GUARD } from '../sources/rows/difference.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { triggerDefinition } from './trigger-definition.ts';

/** Queued deletes, as the guard of a comparison would see them. */
export interface HeldDeletes {
  /** Stored rows that are queued to be deleted. */
  vanished: number;
  /** Rows that the store holds, as recorded. */
  recorded: number;
  /** True when they are more than the guard lets pass. */
  guarded: boolean;
  /** All deletes in the queue that do not rest as failed, those of rows that are not stored included. */
  queued: number;
}

/**
 * Whether the deletes that triggers have queued are more than the guard lets pass. Where a table has no triggers, they
 * came from a comparison, which has its own guard.
 */
export async function heldDeletes(
  database: Queryable,
  source: RowSource,
  generationId: number,
  options: CallOptions = {},
): Promise<HeldDeletes> {
  const none = { vanished: 0, recorded: 0, guarded: false, queued: 0 };
  if (triggerDefinition(source) === null) return none;
  const { rows } = await database.query<HeldDeletes>(
    `with vanished as materialized (
      select count(v.key) as vanished, count(*) filter (where not ${HAS_FAILED}) as queued
      from vecpipe.queue q
      left join vecpipe.vector_state v
        on v.generation_id = $1 and v.tenant = $2 and v.entity = $3 and v.key = q.key
      where q.tenant = $2 and q.entity = $3 and q.building = 0 and q.operation = 'delete'
        and exists (select from vecpipe.row_triggers where entity = $3)
    ), recorded as (
      select count(*) as recorded from vecpipe.vector_state
      where generation_id = $1 and tenant = $2 and entity = $3 and (select vanished from vanished) > 0
    )
    select vanished, recorded, vanished > $4::float8 * recorded as guarded, queued from vanished, recorded`,
    [generationId, source.tenant, source.entity.name, DELETE_GUARD],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  return rows[0] ?? none;
}
