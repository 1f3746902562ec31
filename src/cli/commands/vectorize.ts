import { Option } from 'commander';
import type { Declare } from '../program.ts';
import { addMaxOutage } from '../max-outage.ts';
import { addWorkFlags } from '../work-flags.ts';
import type { WorkFlags } from '../work-flags.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { positiveInteger } from '../options.ts';

export interface VectorizeFlags extends MaxOutageFlag, WorkFlags {
  queuedOnly?: boolean;
  retryFailed?: boolean;
  refresh?: boolean;
  yes?: boolean;
  limit?: number;
  workers?: number;
  watch?: boolean;
  healthFile?: string;
}

export const declareVectorize: Declare = (program, define) => {
  const command = program
    .command('vectorize')
    .description('Find the rows that changed, embed exactly those, and write them to the vector store.')
    .option('--queued-only', 'do not look at the tables, only work off the queue')
    .option('--retry-failed', 'try rows again that rest as failed')
    .addOption(
      new Option('--refresh', 'write every row again, changed or not, and pay for it again').conflicts(
        'queuedOnly',
      ),
    )
    .option('--yes', 'delete vanished rows even when they are more than 20 % of a collection')
    .option('--limit <n>', 'work on at most n rows', positiveInteger)
    .addOption(
      new Option('--workers <n>', 'processes that share the work, with a Postgres server (default: 1)')
        .argParser(positiveInteger)
        .conflicts('limit'),
    )
    .addOption(
      new Option('--watch', 'keep running, and work whenever there is something to do').conflicts([
        'dryRun',
        'limit',
        'refresh',
      ]),
    )
    .option('--health-file <file>', 'write what the run is doing to a file, for a supervisor')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe vectorize --tenant 1 --entity projects     one tenant, one entity
  vecpipe vectorize --all-tenants --json             everything, one JSON object at the end
  vecpipe vectorize --dry-run                        rows, tokens and requests, without doing it
  vecpipe vectorize --retry-failed                   try the rows that failed again
  vecpipe vectorize --watch                          until it is stopped

Any number of processes may run it at once: each row is done by one of them.`,
    );
  addMaxOutage(addWorkFlags(command));
  define(command, () => import('./vectorize-main.ts').then((module) => module.vectorizeMain));
};
