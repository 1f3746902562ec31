import type { Declare } from '../program.ts';

export const declareStatus: Declare = (program, define) => {
  const command = program
    .command('status')
    .description('Show coverage, backlog, failed rows by cause, and the last runs.')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe status
  vecpipe status --all-tenants --json`,
    );
  define(command, () => import('./status-main.ts').then((module) => module.statusMain));
};
