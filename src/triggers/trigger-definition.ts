import { quoteIdentifier, quoteLiteral, quoteQualified } from '../db/quote.ts';
import { VALUE_SETTINGS } from '../db/session-settings.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { jsonHash } from '../util/hash.ts';
import { NEW_ROWS, OLD_ROWS, queueChangesSql } from './change-sql.ts';
import { functionName, TRIGGER_EVENTS, triggerName } from './trigger-names.ts';
import type { TriggerEvent } from './trigger-names.ts';

/** The triggers that an entity's table should have. */
export interface TriggerDefinition {
  entity: string;
  /** The table, quoted. */
  table: string;
  /** The table as the config names it. */
  relation: string;
  /** Function in schema vecpipe, unquoted. */
  functionName: string;
  /** Names of the triggers, unquoted. */
  triggerNames: string[];
  /** Makes them in place of whatever was there, in a transaction. */
  statements: string[];
  /** Of everything that they are made from. */
  hash: string;
}

/**
 * What `vecpipe init --triggers` makes for an entity over a table of the user's own; the same for each of its tenants.
 * @returns null where rows come from a query, or are written by vecpipe itself
 */
export function triggerDefinition(source: RowSource): TriggerDefinition | null {
  const { entity, columnTypes } = source;
  const { relation } = entity;
  if (relation.kind !== 'table' || entity.record !== null) return null;
  const table = quoteQualified(relation.schema, relation.name);
  const called = `vecpipe.${quoteIdentifier(functionName(entity.name))}()`;
  const statements = [
    `drop function if exists ${called} cascade`,
    `create function ${called} returns trigger language plpgsql security definer ${settingsSql()} as ${quoteLiteral(functionBody(source))}`,
    // Or whoever may use the schema could queue rows by a table of their own.
    `revoke all on function ${called} from public`,
    ...TRIGGER_EVENTS.map(
      (event) =>
        `create trigger ${quoteIdentifier(triggerName(entity.name, event))} after ${event} on ${table} ${transitionTables(event)} for each statement execute function ${called}`,
    ),
  ];
  return {
    entity: entity.name,
    table,
    relation: relation.schema === null ? relation.name : `${relation.schema}.${relation.name}`,
    functionName: functionName(entity.name),
    triggerNames: TRIGGER_EVENTS.map((event) => triggerName(entity.name, event)),
    statements,
    hash: jsonHash([statements, [...columnTypes]]),
  };
}

function transitionTables(event: TriggerEvent): string {
  const tables = [
    ...(event === 'update' || event === 'delete' ? [`old table as ${OLD_ROWS}`] : []),
    ...(event === 'insert' || event === 'update' ? [`new table as ${NEW_ROWS}`] : []),
  ];
  return tables.length === 0 ? '' : `referencing ${tables.join(' ')}`;
}

/** Hashes are made of values as text, which must not depend on the session of whoever writes. */
function settingsSql(): string {
  const settings = Object.entries(VALUE_SETTINGS).map(
    ([name, value]) => `set ${name} = ${quoteLiteral(value)}`,
  );
  return ['set search_path = pg_catalog, pg_temp', ...settings].join(' ');
}

/**
 * The user's statement is not to fail because of us: whatever goes wrong with the queue makes the next run compare
 * all rows instead. Emptying the table queues nothing, so that it cannot go around the guard of a comparison.
 */
function functionBody(source: RowSource): string {
  const entity = quoteLiteral(source.entity.name);
  const compareNext = `update vecpipe.row_triggers set epoch = epoch + 1 where entity = ${entity};`;
  return `
#variable_conflict use_column
begin
  if tg_op = 'TRUNCATE' then
    ${compareNext}
    return null;
  end if;
  begin
    if tg_op = 'INSERT' then
      ${queueChangesSql(source, { before: false, after: true })}
    elsif tg_op = 'UPDATE' then
      ${queueChangesSql(source, { before: true, after: true })}
    else
      ${queueChangesSql(source, { before: true, after: false })}
    end if;
  exception when others then
    ${compareNext}
    raise warning 'vecpipe could not queue changes of % (%), and will compare all its rows', ${entity}, sqlstate;
  end;
  return null;
end`;
}
