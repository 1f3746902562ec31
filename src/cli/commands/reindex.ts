import { Option } from 'commander';
import type { Declare } from '../program.ts';
import { addMaxOutage } from '../max-outage.ts';
import { addWorkFlags } from '../work-flags.ts';
import type { WorkFlags } from '../work-flags.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { keepDuration } from '../options.ts';

export interface ReindexFlags extends MaxOutageFlag, WorkFlags {
  rollback?: boolean;
  dropOld?: boolean;
  ifNeeded?: boolean;
  /** Milliseconds. */
  keep?: number;
  retryFailed?: boolean;
  yes?: boolean;
}

export const declareReindex: Declare = (program, define) => {
  const command = program
    .command('reindex')
    .description('Rebuild collections beside the live ones, and swap when the new ones are complete.')
    .option('--if-needed', 'only collections that were built with other settings than the config has now')
    .option(
      '--keep <duration>',
      'drop the old generation by itself after so long, such as 12h or 2d',
      keepDuration,
    )
    .addOption(
      new Option('--rollback', 'go back to the generation that was replaced last').conflicts([
        'ifNeeded',
        'keep',
        'dropOld',
        'retryFailed',
        'maxCredits',
        'dryRun',
      ]),
    )
    .addOption(
      new Option('--drop-old', 'delete the old generations that are kept').conflicts([
        'ifNeeded',
        'keep',
        'retryFailed',
        'maxCredits',
      ]),
    )
    .option('--retry-failed', 'try rows again that rest as failed')
    .option('--yes', 'swap even when rows would be lost by it, or more than 20 % of them are gone')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe reindex --dry-run                            rows, tokens, price, time and disk, without doing it
  vecpipe reindex --tenant 1 --entity projects         after the model, template or chunking was changed
  vecpipe reindex --all-tenants --if-needed --keep 2d  unattended
  vecpipe reindex --rollback                           back to the old generation
  vecpipe reindex --drop-old                           the old generations are not needed any more

Readers and other vecpipe runs go on meanwhile. Interrupted, the same command goes on where it ended.`,
    );
  addMaxOutage(addWorkFlags(command));
  define(command, () => import('./reindex-main.ts').then((module) => module.reindexMain));
};
