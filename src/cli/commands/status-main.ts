import { readAccounts } from '../../credits/read-accounts.ts';
import { collectionName } from '../../entities/entity.ts';
import { describeChoices } from '../../config/describe-choices.ts';
import { readStatus } from '../../pipeline/read-status.ts';
import type { EntityStatus } from '../../pipeline/read-status.ts';
import { listRuns } from '../../runs/list-runs.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import { balanceTable } from '../balance-table.ts';
import type { CommandContext, CommandResult, Main } from '../run-command.ts';
import { recentRunsTable, runsTable } from '../runs-table.ts';
import { openSession } from '../session.ts';
import type { Session } from '../session.ts';
import { renderTable } from '../table.ts';
import type { StatusFlags } from './status.ts';

const RECENT_RUNS = 5;
const LISTED_RUNS = 20;

/** Reads everything, and changes nothing that it shows. */
export const statusMain: Main<StatusFlags> = async (context) => {
  const signal = context.io.stop.stop;
  const session = await openSession(context);
  if (context.options.runs !== undefined) return showRuns(context, session, context.options.runs);
  const { database, config, tenants, entities } = session;
  const store = await session.store();
  const statuses: EntityStatus[] = [];
  for (const tenant of tenants) {
    for (const entity of entities) {
      const source = await openRowSource(database, entity, tenant, { signal });
      statuses.push(await readStatus(database, store, source, collectionName(entity, tenant), { signal }));
    }
  }
  const runs = await listRuns(database, tenants, { limit: RECENT_RUNS, changesOnly: true, signal });
  const accounts = await readAccounts(database, tenants, { signal });
  const parts = [
    describeChoices(config, context.io.workingDirectory).join('\n'),
    entityTable(statuses),
    failureTable(statuses),
    accounts.length === 0 ? '' : balanceTable(tenants, accounts),
    recentRunsTable(runs),
  ];
  return {
    text: parts.filter((part) => part !== '').join('\n\n'),
    json: { database: database.location, store: store.location, status: statuses, accounts, runs },
  };
};

/** The store is not asked, so that what happened can be seen while it is away. */
async function showRuns(
  { runId, io }: CommandContext<StatusFlags>,
  { database, tenants }: Session,
  wanted: number | true,
): Promise<CommandResult> {
  const limit = wanted === true ? LISTED_RUNS : wanted;
  const runs = await listRuns(database, tenants, { limit, exceptId: runId, signal: io.stop.stop });
  const text = runs.length === 0 ? 'No run is recorded for the selected tenants.' : runsTable(runs);
  return { text, json: { database: database.location, runs } };
}

function entityTable(statuses: readonly EntityStatus[]): string {
  return renderTable(
    ['tenant', 'entity', 'rows', 'stored', 'coverage', 'points', 'queued', 'leased', 'failed', 'collection'],
    statuses.map((status) => [
      status.tenant,
      status.entity,
      status.rows,
      status.stored,
      coverage(status),
      points(status),
      status.pending - status.failed,
      status.leased,
      status.failed,
      status.collection,
    ]),
  );
}

function coverage({ rows, stored }: EntityStatus): string {
  if (rows === 0) return '-';
  // Rounded down: 100 % means every row.
  return `${Math.min(100, Math.floor((stored / rows) * 100))} %`;
}

function points(status: EntityStatus): string {
  if (status.points === null) return 'no collection';
  return status.points === status.recordedPoints
    ? `${status.points}`
    : `${status.points} of ${status.recordedPoints}`;
}

function failureTable(statuses: readonly EntityStatus[]): string {
  const rows = statuses.flatMap(({ tenant, entity, failures }) =>
    failures.map((failure) => [tenant, entity, failure.code, failure.rows, failure.example]),
  );
  return rows.length === 0
    ? ''
    : renderTable(['tenant', 'entity', 'failed because', 'rows', 'such as'], rows);
}
