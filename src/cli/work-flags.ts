import type { Command } from 'commander';
import { duration, positiveInteger } from './options.ts';

/** Of every command that embeds. */
export interface WorkFlags {
  batchSize?: number;
  concurrency?: number;
  maxCredits?: number;
  /** Milliseconds. */
  grace?: number;
}

export function addWorkFlags(command: Command): Command {
  return command
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
    .option(
      '--grace <duration>',
      'time for batches under way once a stop is asked for (default: 20s)',
      duration,
    );
}
