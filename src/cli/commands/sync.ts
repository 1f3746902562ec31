import type { Declare } from '../program.ts';
import { addMaxOutage } from '../max-outage.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { positiveInteger } from '../options.ts';

export interface SyncFlags extends MaxOutageFlag {
  from?: string[];
  yes?: boolean;
  limit?: number;
  batchSize?: number;
}

export const declareSync: Declare = (program, define) => {
  const command = program
    .command('sync')
    .description('Bring records in, or look through your tables, and queue what changed.')
    .option('--from <file...>', 'NDJSON, JSON or CSV files (also .gz), globs, or - for standard input')
    .option('--yes', 'queue deletes even when they are more than 20 % of a collection')
    .option('--limit <n>', 'take at most n records a file', positiveInteger)
    .option('--batch-size <n>', 'records a transaction (default: 500)', positiveInteger)
    .addHelpText(
      'after',
      `
Examples:
  vecpipe sync --from projects.ndjson --tenant 1          the file's name says which entity
  vecpipe sync --from 'export/*.csv.gz' --entity wits     every file, one entity
  cat p.ndjson | vecpipe sync --from - --entity projects  from standard input
  vecpipe sync                                            look for changes in every table of the config

Without --from, records are not read: the tables that the config names are compared with what is stored.`,
    );
  addMaxOutage(command);
  define(command, () => import('./sync-main.ts').then((module) => module.syncMain));
};
