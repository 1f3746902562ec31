import type { Config } from '../config/config.ts';
import type { DrainTargets } from '../pipeline/drain-queue.ts';
import type { Database } from '../ports/database.ts';
import type { Report } from '../ports/run-events.ts';
import { drainWithWorkers } from '../workers/drain-with-workers.ts';
import type { VectorizeFlags } from './commands/vectorize.ts';
import { workerArguments } from './commands/worker.ts';
import { STOPPED_EXIT_CODES } from './exit-codes.ts';
import type { CommandContext } from './run-command.ts';

/** How many processes can share the work; 1 where this one does it by itself. */
export function workerCount({ workers = 1 }: VectorizeFlags, database: Database, report: Report): number {
  if (workers === 1 || !database.exclusive) return workers;
  const message = `--workers ${workers} is left out: the embedded database can be opened by one process only`;
  report({ type: 'notice', message });
  return 1;
}

/** Has a run's queue worked off by processes with the same flags. */
export function workerDrain(
  { options, io, runId }: CommandContext<VectorizeFlags>,
  config: Config,
  { workers, batchSize, batches }: { workers: number; batchSize: number; batches: number },
): DrainTargets {
  const { maxOutage, grace, maxCredits, yes } = options;
  return drainWithWorkers({
    workers,
    start: io.startWorker,
    stoppedExitCodes: STOPPED_EXIT_CODES,
    args: workerArguments(
      {
        run: runId,
        of: workers,
        batchSize,
        batches,
        hasCreditLimit: maxCredits !== undefined,
        ...(yes !== undefined && { yes }),
        ...(grace !== undefined && { grace }),
        ...(maxOutage !== undefined && { maxOutage }),
      },
      { ...options, config: config.file },
    ),
  });
}
