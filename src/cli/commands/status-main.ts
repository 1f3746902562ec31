import { collectionName } from '../../entities/entity.ts';
import { describeChoices } from '../../config/describe-choices.ts';
import { readStatus } from '../../pipeline/read-status.ts';
import type { EntityStatus } from '../../pipeline/read-status.ts';
import { listRuns } from '../../runs/list-runs.ts';
import type { Run } from '../../runs/list-runs.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import { formatMoney } from '../money.ts';
import type { Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import { oneLine, renderTable } from '../table.ts';

const SHOWN_RUNS = 5;

/** Reads everything, changes nothing. */
export const statusMain: Main<object> = async (context) => {
  const signal = context.io.stop.stop;
  const session = await openSession(context);
  const { database, config, tenants, entities } = session;
  const store = await session.store();
  const statuses: EntityStatus[] = [];
  for (const tenant of tenants) {
    for (const entity of entities) {
      const source = await openRowSource(database, entity, tenant, { signal });
      statuses.push(await readStatus(database, store, source, collectionName(entity, tenant), { signal }));
    }
  }
  const runs = await listRuns(database, tenants, { limit: SHOWN_RUNS, signal });
  const parts = [
    describeChoices(config, context.io.workingDirectory).join('\n'),
    entityTable(statuses),
    failureTable(statuses),
    runTable(runs),
  ];
  return {
    text: parts.filter((part) => part !== '').join('\n\n'),
    json: { database: database.location, store: store.location, status: statuses, runs },
  };
};

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

function runTable(runs: readonly Run[]): string {
  if (runs.length === 0) return '';
  return renderTable(
    ['last runs', 'command', 'took', 'exit', 'tokens', 'cost', 'error'],
    runs.map((run) => [
      run.startedAt.toISOString().slice(0, 19).replace('T', ' '),
      run.command,
      run.finishedAt ? `${((run.finishedAt.getTime() - run.startedAt.getTime()) / 1000).toFixed(1)} s` : '',
      run.state === 'ended' ? run.exitCode : run.state,
      run.counts?.['tokens'] ?? '',
      run.counts?.['cost'] ? formatMoney(run.counts['cost']) : '',
      oneLine(run.error, 60),
    ]),
  );
}
