import type { Declare } from '../program.ts';

export const declareInit: Declare = (program, define) => {
  const command = program
    .command('init')
    .description('Write a commented vecpipe.config.yaml, set the database up, and say what was chosen.')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe init                                       embedded database, no server needed
  DATABASE_URL=postgres://… vecpipe init             in your own Postgres
  vecpipe init --dry-run                             only say what would be chosen`,
    );
  define(command, () => import('./init-main.ts').then((module) => module.initMain));
};
