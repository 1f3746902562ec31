import { Option } from 'commander';
import type { Declare } from '../program.ts';
import { addMaxOutage } from '../max-outage.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { duration, positiveInteger } from '../options.ts';

export interface VectorizeFlags extends MaxOutageFlag {
  queuedOnly?: boolean;
  retryFailed?: boolean;
  refresh?: boolean;
  yes?: boolean;
  limit?: number;
  batchSize?: number;
  concurrency?: number;
  workers?: number;
  maxCredits?: number;
  watch?: boolean;
  healthFile?: string;
  /** Milliseconds. */
  grace?: number;
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
    .option('--batch-size <n>', 'rows a batch (default: 256)', positiveInteger)
    .option(
      '--concurrency <n>',
      'batches under way at once, per worker (default: 4, with a gateway 8)',
      positiveInteger,
    )
    .option(
      '--max-credits <n>',
      'reserve at most n credits in this run, over all its tenants',
      positiveInteger,
    )
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
    .option(
      '--grace <duration>',
      'time for batches under way once a stop is asked for (default: 20s)',
      duration,
    )
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
  addMaxOutage(command);
  define(command, () => import('./vectorize-main.ts').then((module) => module.vectorizeMain));
};
