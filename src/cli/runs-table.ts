import type { Run } from '../runs/list-runs.ts';
import { formatMoney } from './money.ts';
import { oneLine, renderTable } from './table.ts';

const ERROR_WIDTH = 60;
const TENANTS_WIDTH = 20;

/** The few runs that `status` shows under what they have led to; empty without any. */
export function recentRunsTable(runs: readonly Run[]): string {
  if (runs.length === 0) return '';
  return renderTable(
    ['last runs', 'command', 'took', 'exit', 'tokens', 'cost', 'error'],
    runs.map((run) => [
      shownTime(run.startedAt),
      run.command,
      took(run),
      run.exitCode ?? run.state,
      run.counts?.['tokens'] ?? '',
      cost(run),
      oneLine(run.error, ERROR_WIDTH),
    ]),
  );
}

/** A line a run, with who ran it, what came of its rows and, of one that died, its last sign of life. */
export function runsTable(runs: readonly Run[]): string {
  return renderTable(
    [
      'started',
      'run',
      'command',
      'tenants',
      'who',
      'took',
      'exit',
      'rows',
      'tokens',
      'credits',
      'cost',
      'error',
    ],
    runs.map((run) => [
      shownTime(run.startedAt),
      // As the ledger shows it.
      run.id.slice(0, 8),
      run.command,
      oneLine(run.tenants.join(', '), TENANTS_WIDTH),
      run.who,
      took(run),
      run.state === 'died' ? `died, last seen ${shownTime(run.seenAt)}` : (run.exitCode ?? run.state),
      rows(run),
      run.counts?.['tokens'] ?? '',
      run.counts?.['credits'] ?? '',
      cost(run),
      oneLine(run.error, ERROR_WIDTH),
    ]),
  );
}

/** UTC, to the second. */
function shownTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

/** Of a run that died nobody knows when it ended. */
function took({ state, startedAt, finishedAt }: Run): string {
  if (state !== 'ended' || finishedAt === null) return '';
  return `${((finishedAt.getTime() - startedAt.getTime()) / 1000).toFixed(1)} s`;
}

function rows({ counts }: Run): string {
  return ['inserted', 'updated', 'queued', 'stored', 'deleted', 'failed']
    .filter((name) => counts?.[name])
    .map((name) => `${counts?.[name]} ${name}`)
    .join(', ');
}

function cost({ counts }: Run): string {
  return counts?.['cost'] ? formatMoney(counts['cost']) : '';
}
