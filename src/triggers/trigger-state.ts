import type { CallOptions, Queryable } from '../ports/database.ts';
import type { TriggerDefinition } from './trigger-definition.ts';

/**
 * `absent`: never made, or dropped; `outdated`: made from another config, or for another table; `incomplete`: some of
 * them are gone; `disabled`: some of them do not fire.
 */
export type TriggerState = 'absent' | 'current' | 'outdated' | 'incomplete' | 'disabled';

/**
 * SQL of a subquery that gives one row (hash, epoch, file, present, firing), with `hash` null where triggers were
 * never made: what is recorded of an entity's triggers, and how many of them are on the table. Binds $1 entity,
 * $2 the table, quoted, $3 names of the triggers, $4 name of the function.
 */
export const FOUND_TRIGGERS = `
  select r.definition_hash as hash, r.epoch, pg_relation_filenode(c.id)::int8 as file,
    (select count(*) from pg_catalog.pg_inherits i where c.id in (i.inhrelid, i.inhparent)) as relatives,
    count(t.oid) as present, count(t.oid) filter (where t.tgenabled in ('O', 'A')) as firing
  from (select to_regclass($2)::oid as id) c
  left join vecpipe.row_triggers r on r.entity = $1
  left join pg_catalog.pg_proc p on p.proname = $4 and p.pronamespace = to_regnamespace('vecpipe')::oid
  left join pg_catalog.pg_trigger t
    on t.tgrelid = c.id and t.tgfoid = p.oid and t.tgname = any ($3::text[])
  group by r.definition_hash, r.epoch, c.id`;

/** What {@link FOUND_TRIGGERS} binds. */
export function foundTriggersValues(definition: TriggerDefinition) {
  return [definition.entity, definition.table, definition.triggerNames, definition.functionName];
}

interface Found {
  hash: string | null;
  relatives: number;
  present: number;
  firing: number;
}

/** Looks at what is recorded and at the table itself. */
export async function readTriggerState(
  database: Queryable,
  definition: TriggerDefinition,
  options: CallOptions = {},
): Promise<TriggerState> {
  const { rows } = await database.query<Found>(FOUND_TRIGGERS, foundTriggersValues(definition), options);
  return judge(rows[0], definition);
}

function judge(found: Found | undefined, definition: TriggerDefinition): TriggerState {
  if (!found || found.hash === null) return 'absent';
  // Rows may be written straight into a child of the table, past its triggers.
  if (found.hash !== definition.hash || found.relatives > 0) return 'outdated';
  const wanted = definition.triggerNames.length;
  if (found.present < wanted) return 'incomplete';
  return found.firing < wanted ? 'disabled' : 'current';
}
