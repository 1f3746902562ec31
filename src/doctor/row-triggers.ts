import type { Entity } from '../entities/entity.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import { triggerDefinition } from '../triggers/trigger-definition.ts';
import { readTriggerState } from '../triggers/trigger-state.ts';
import { ok, skip, warn } from './check.ts';
import type { Finding } from './check.ts';

const COMPARED_MEANWHILE = 'until then `vecpipe vectorize` compares all rows';

/** Whether an entity's table can have triggers, so that there is something to look at. */
export function mayHaveTriggers({ relation, record }: Entity): boolean {
  return relation.kind === 'table' && record === null;
}

/**
 * Looks whether an entity's triggers are as the config wants them, on the table, and firing.
 * @throws {VecpipeError} `unavailable` when the database cannot be reached
 */
export async function checkRowTriggers(
  database: Database,
  entity: Entity,
  tenant: string,
  options: CallOptions,
): Promise<Finding> {
  const source = await openRowSource(database, entity, tenant, options).catch((error: unknown) => {
    // The line of its rows says so already.
    if (error instanceof VecpipeError && error.family === 'usage') return null;
    throw error;
  });
  if (source === null) return skip('its rows cannot be read');
  const definition = triggerDefinition(source);
  if (definition === null) return ok('not used');
  const again = `run \`vecpipe init --triggers --entity ${entity.name}\`; ${COMPARED_MEANWHILE}`;
  const state = await readTriggerState(database, definition, options);
  switch (state) {
    case 'absent':
      return ok('not used: `vecpipe vectorize` compares all rows');
    case 'current':
      return ok(`${definition.relation} has them, and they are up to date`);
    case 'outdated':
      return warn(`those on ${definition.relation} were made for another config or another table`, again);
    case 'incomplete':
      return warn(`some of those on ${definition.relation} are missing`, again);
    case 'disabled':
      return warn(`some of those on ${definition.relation} are disabled`, again);
    default:
      return state satisfies never;
  }
}
