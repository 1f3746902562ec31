import { Option } from 'commander';
import type { Declare } from '../program.ts';

export interface InitFlags {
  triggers?: boolean;
  dropTriggers?: boolean;
}

export const declareInit: Declare = (program, define) => {
  const command = program
    .command('init')
    .description('Write a commented vecpipe.config.yaml, set the database up, and say what was chosen.')
    .addOption(
      new Option(
        '--triggers',
        'also make triggers on your own tables, which queue what changes as it is committed',
      ).conflicts('dropTriggers'),
    )
    .option('--drop-triggers', 'drop those triggers')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe init                                       embedded database, no server needed
  DATABASE_URL=postgres://… vecpipe init             in your own Postgres
  vecpipe init --triggers --entity articles          vectorize then need not compare the rows of articles
  vecpipe init --dry-run                             only say what would be chosen`,
    );
  define(command, () => import('./init-main.ts').then((module) => module.initMain));
};
