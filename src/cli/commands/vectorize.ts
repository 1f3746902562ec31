import { Option } from 'commander';
import type { Declare } from '../program.ts';
import { positiveInteger } from '../options.ts';

export interface VectorizeFlags {
  queuedOnly?: boolean;
  retryFailed?: boolean;
  refresh?: boolean;
  yes?: boolean;
  limit?: number;
  batchSize?: number;
  concurrency?: number;
  workers?: number;
}

export const declareVectorize: Declare = (program, define) => {
  const command = program
    .command('vectorize')
    .description('Find the rows that changed, embed exactly those, and write them to the vector store.')
    .option('--queued-only', 'do not look at the tables, only work off the queue')
    .option('--retry-failed', 'try rows again that rest as failed')
    .addOption(new Option('--refresh', 'write every row again, changed or not').conflicts('queuedOnly'))
    .option('--yes', 'delete vanished rows even when they are more than 20 % of a collection')
    .option('--limit <n>', 'work on at most n rows', positiveInteger)
    .option('--batch-size <n>', 'rows a batch (default: 256)', positiveInteger)
    .option(
      '--concurrency <n>',
      'batches under way at once, per worker (default: 4, with a gateway 8)',
      positiveInteger,
    )
    .option('--workers <n>', 'workers in this process that claim batches (default: 1)', positiveInteger)
    .addHelpText(
      'after',
      `
Examples:
  vecpipe vectorize --tenant 1 --entity projects     one tenant, one entity
  vecpipe vectorize --all-tenants --json             everything, one JSON object at the end
  vecpipe vectorize --dry-run                        rows, tokens and requests, without doing it
  vecpipe vectorize --retry-failed                   try the rows that failed again

Any number of processes may run it at once: each row is done by one of them.`,
    );
  define(command, () => import('./vectorize-main.ts').then((module) => module.vectorizeMain));
};
