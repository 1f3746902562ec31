import type { Config } from '../config/config.ts';
import type { RouteConfig } from '../config/provider-config.ts';
import type { Entity } from '../entities/entity.ts';
import type { Scope } from '../lifetime/scope.ts';
import type { Report } from '../ports/run-events.ts';
import type { CheckList } from './check-list.ts';
import { checkConfig, choicesOf } from './config-choices.ts';
import { examineDatabase } from './examine-database.ts';
import type { ExaminedDatabase } from './examine-database.ts';
import { examineProviders } from './examine-providers.ts';
import { examineStore } from './examine-store.ts';
import { checkNodeVersion } from './node-version.ts';
import type { OpenProvider } from './provider-probe.ts';
import { checkRowSource } from './row-source.ts';
import { checkRowTriggers, mayHaveTriggers } from './row-triggers.ts';

/** One tenant's entity that the flags select. */
export interface DoctorTarget {
  tenant: string;
  entity: Entity;
  route: RouteConfig;
}

export interface Examination {
  config: Config;
  targets: readonly DoctorTarget[];
  nodeVersion: string;
  /** Paths are shown relative to it. */
  workingDirectory: string;
  open: OpenProvider;
  /** Owns what is opened. */
  scope: Scope;
  report: Report;
}

/** Runs every check over what the config and the flags select. Changes nothing anywhere. */
export async function examine(checks: CheckList, examination: Examination): Promise<void> {
  const { config, targets, nodeVersion, workingDirectory, open, scope, report } = examination;
  const choices = choicesOf(config, workingDirectory);
  await checks.run({ id: 'node', subject: 'Node.js' }, () => checkNodeVersion(nodeVersion));
  await checks.run({ id: 'config', subject: 'config' }, () => checkConfig(config, workingDirectory));
  const database = await examineDatabase(checks, {
    config,
    choice: choices.database,
    workingDirectory,
    scope,
  });
  for (const target of targets) await examineRows(checks, database, target);
  const examined = new Set<Entity>();
  for (const target of targets) {
    // They are the same for all tenants.
    if (examined.has(target.entity) || !mayHaveTriggers(target.entity)) continue;
    examined.add(target.entity);
    await examineTriggers(checks, database, target);
  }
  const probes = await examineProviders(checks, { config, routes: targets, workingDirectory, open, report });
  await examineStore(checks, {
    config: config.store,
    choice: choices.store,
    database,
    targets: targets.map(({ tenant, entity, route }) => ({ tenant, entity, provider: route.provider })),
    probes,
    scope,
  });
}

async function examineRows(
  checks: CheckList,
  { database, blockedBy, tablesBlockedBy }: ExaminedDatabase,
  { tenant, entity }: DoctorTarget,
): Promise<void> {
  const { relation } = entity;
  const isOurTable = relation.kind === 'table' && relation.schema === 'vecpipe';
  await checks.run(
    {
      id: 'rows',
      subject: `rows of ${entity.name}, tenant ${tenant}`,
      blockedBy: isOurTable ? tablesBlockedBy : blockedBy,
    },
    (signal) => {
      if (database === null) throw new Error('the database is not open');
      return checkRowSource(database, entity, tenant, { signal });
    },
  );
}

async function examineTriggers(
  checks: CheckList,
  { database, tablesBlockedBy }: ExaminedDatabase,
  { tenant, entity }: DoctorTarget,
): Promise<void> {
  const name = { id: 'row_triggers', subject: `triggers of ${entity.name}`, blockedBy: tablesBlockedBy };
  await checks.run(name, (signal) => {
    if (database === null) throw new Error('the database is not open');
    return checkRowTriggers(database, entity, tenant, { signal });
  });
}
