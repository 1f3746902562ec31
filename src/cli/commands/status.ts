import { positiveInteger } from '../options.ts';
import type { Declare } from '../program.ts';

export interface StatusFlags {
  /** True without a number. */
  runs?: number | true;
}

export const declareStatus: Declare = (program, define) => {
  const command = program
    .command('status')
    .description('Show coverage, backlog, failed rows by cause, and the last runs.')
    .option('--runs [n]', 'show the last n runs instead, of every command (default: 20)', positiveInteger)
    .addHelpText(
      'after',
      `
Examples:
  vecpipe status
  vecpipe status --runs                     who ran what, and how it ended
  vecpipe status --all-tenants --json`,
    );
  define(command, () => import('./status-main.ts').then((module) => module.statusMain));
};
