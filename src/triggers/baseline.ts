import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { triggerDefinition } from './trigger-definition.ts';
import { FOUND_TRIGGERS, foundTriggersValues } from './trigger-state.ts';

/** What the triggers of a table said before its rows were compared. */
export interface Epoch {
  epoch: number;
  /** The table's file. */
  file: number;
}

/** Triggers that say everything that changes: as the config wants them, complete, firing, and not to be gone around. */
const COMPLETE = `f.hash = $5 and f.present = $6 and f.firing = $6 and f.relatives = 0 and f.file is not null`;

/**
 * Whether the rows of a source have to be compared with what is recorded for a generation, because the queue alone
 * does not say all that has changed: there are no triggers, or not those that the config wants, or they do not fire; or
 * nothing was compared since they were made or the table was emptied or rewritten; or another live collection of the
 * entity shares the queue, so that what was queued may have been done for that one only.
 * @param generationId null when nothing was ever stored
 */
export async function needsComparison(
  database: Queryable,
  source: RowSource,
  generationId: number | null,
  options: CallOptions = {},
): Promise<boolean> {
  const definition = triggerDefinition(source);
  if (definition === null || generationId === null) return true;
  const { rows } = await database.query<{ known: boolean }>(
    `select exists (
      select from (${FOUND_TRIGGERS}) f
      join vecpipe.trigger_baselines b
        on b.generation_id = $7 and b.tenant = $8 and b.entity = $1 and b.epoch = f.epoch
          and b.relation_file = f.file
      where ${COMPLETE} and not exists (
        select from vecpipe.generations g
        where g.id <> $7 and g.status = 'live' and exists (
          select from vecpipe.vector_state where generation_id = g.id and tenant = $8 and entity = $1
        )
      )
    ) as known`,
    [
      ...foundTriggersValues(definition),
      definition.hash,
      definition.triggerNames.length,
      generationId,
      source.tenant,
    ],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  return rows[0]?.known !== true;
}

/**
 * To be read before a comparison of all rows begins, and given to {@link noteCompared} when it has queued everything.
 * @returns null where there are no triggers that would say what changes from then on
 */
export async function readEpoch(
  database: Queryable,
  source: RowSource,
  options: CallOptions = {},
): Promise<Epoch | null> {
  const definition = triggerDefinition(source);
  if (definition === null) return null;
  const { rows } = await database.query<Epoch>(
    `select f.epoch, f.file from (${FOUND_TRIGGERS}) f where ${COMPLETE}`,
    [...foundTriggersValues(definition), definition.hash, definition.triggerNames.length],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  return rows[0] ?? null;
}

/**
 * Records that all rows of the source were compared with the generation and that what differed is queued: from the
 * epoch on that was read before, the queue says what changes. Nothing is recorded where the triggers were made anew or
 * the table was emptied meanwhile. Not to be called after a comparison that left anything out, such as guarded deletes.
 */
export async function noteCompared(
  database: Queryable,
  source: RowSource,
  generationId: number,
  epoch: Epoch | null,
  options: CallOptions = {},
): Promise<void> {
  if (epoch === null) return;
  await database.query(
    `insert into vecpipe.trigger_baselines as b (generation_id, tenant, entity, epoch, relation_file)
    select $1, $2, r.entity, r.epoch, $5::int8 from vecpipe.row_triggers r where r.entity = $3 and r.epoch = $4
    on conflict (generation_id, tenant, entity) do update set
      epoch = excluded.epoch, relation_file = excluded.relation_file`,
    [generationId, source.tenant, source.entity.name, epoch.epoch, epoch.file],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
}
