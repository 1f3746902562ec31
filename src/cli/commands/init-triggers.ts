import type { Entity } from '../../entities/entity.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import { dropTriggers, installTriggers, listTriggers } from '../../triggers/install-triggers.ts';
import { refuseEntity, refuseTable } from '../../triggers/refuse-table.ts';
import { triggerDefinition } from '../../triggers/trigger-definition.ts';
import type { TriggerDefinition } from '../../triggers/trigger-definition.ts';
import type { TriggerState } from '../../triggers/trigger-state.ts';
import { nearest } from '../../util/did-you-mean.ts';
import type { CommandContext } from '../run-command.ts';
import type { Session } from '../session.ts';

/** What was done for one entity. */
export interface TriggerReport {
  entity: string;
  table: string | null;
  /** What would be done, with `--dry-run`. */
  action: 'created' | 'replaced' | 'kept' | 'dropped' | 'nothing';
  /** For people. */
  line: string;
}

type Context = CommandContext<object>;
type Places = Pick<Session, 'config' | 'database'>;

/**
 * Makes the triggers of the entities over tables of the user's own.
 * @throws {VecpipeError} `usage` when one that `--entity` names cannot have triggers; nothing is changed then
 */
export async function installAll(context: Context, { config, database }: Places): Promise<TriggerReport[]> {
  const { options, report, io } = context;
  const call = { signal: io.stop.stop };
  const dryRun = options.dryRun ?? false;
  const names = [...new Set(options.entity ?? config.entities.keys())];
  const [tenant = ''] = config.tenants.keys();
  const definitions: TriggerDefinition[] = [];
  for (const name of names) {
    const entity = config.entities.get(name);
    if (!entity) throw unknownEntity(name, [...config.entities.keys()]);
    const outcome = await define(entity);
    if (typeof outcome !== 'string') definitions.push(outcome);
    else if (options.entity) {
      const hint = 'leave it out: `vecpipe vectorize` compares its rows instead';
      throw usageError('triggers_unsupported', `there can be no triggers for ${name}: ${outcome}`, hint);
    } else if (entity.record === null) {
      report({ type: 'warning', message: `No triggers for ${name}: ${outcome}` });
    }
  }
  const reports: TriggerReport[] = [];
  for (const definition of definitions) {
    const before = await installTriggers(database, definition, { dryRun, ...call });
    reports.push(installed(definition, before, dryRun));
  }
  return reports;

  async function define(entity: Entity): Promise<TriggerDefinition | string> {
    const refusal = refuseEntity(entity);
    if (refusal !== null) return refusal;
    const source = await openRowSource(database, entity, tenant, call);
    const definition = triggerDefinition(source);
    if (definition === null) throw new Error('an entity over a table without triggers');
    return (await refuseTable(database, source, definition.table, call)) ?? definition;
  }
}

/**
 * Drops the triggers of the entities that `--entity` names, in the config or not; without it, all that there are.
 * @throws {VecpipeError} `usage` when one is neither in the config nor has triggers; nothing is changed then
 */
export async function dropAll(context: Context, { config, database }: Places): Promise<TriggerReport[]> {
  const { options, io } = context;
  const call = { signal: io.stop.stop };
  const dryRun = options.dryRun ?? false;
  const tables = new Map(
    (await listTriggers(database, call)).map(({ entity, relation }) => [entity, relation]),
  );
  const names = [...new Set(options.entity ?? tables.keys())];
  const known = [...new Set([...config.entities.keys(), ...tables.keys()])];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownEntity(unknown, known);
  const reports: TriggerReport[] = [];
  for (const entity of names) {
    const table = tables.get(entity) ?? null;
    const wasThere = await dropTriggers(database, entity, { dryRun, ...call });
    const verb = dryRun ? 'would be dropped' : 'dropped';
    reports.push({
      entity,
      table,
      action: wasThere ? 'dropped' : 'nothing',
      line: `triggers of ${entity}: ${wasThere ? `${verb}${table === null ? '' : ` from ${table}`}` : 'there were none'}`,
    });
  }
  return reports;
}

const REASONS: Readonly<Record<TriggerState, string>> = {
  absent: '',
  current: '',
  outdated: ', because the config or the table has changed',
  incomplete: ', because some were missing',
  disabled: ', because some were disabled',
};

function installed(
  { entity, relation }: TriggerDefinition,
  before: TriggerState,
  dryRun: boolean,
): TriggerReport {
  const subject = { entity, table: relation };
  const begin = `triggers of ${entity}:`;
  const would = dryRun ? 'would be ' : '';
  if (before === 'current') return { ...subject, action: 'kept', line: `${begin} up to date on ${relation}` };
  if (before === 'absent')
    return { ...subject, action: 'created', line: `${begin} ${would}created on ${relation}` };
  return {
    ...subject,
    action: 'replaced',
    line: `${begin} ${would}replaced on ${relation}${REASONS[before]}`,
  };
}

function unknownEntity(name: string, known: readonly string[]) {
  const suggestion = nearest(name, known);
  return usageError(
    'entity_unknown',
    `--entity ${name} is not in the config`,
    suggestion === null ? `the config has ${known.slice(0, 20).join(', ')}` : `did you mean ${suggestion}?`,
  );
}
