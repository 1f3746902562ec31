import type { Declare } from '../program.ts';

export const declareDoctor: Declare = (program, define) => {
  const command = program
    .command('doctor')
    .description('Check database, rows, providers and store, and say what to do about each problem.')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe doctor                                     everything that the config names
  vecpipe doctor --tenant 1 --entity projects        what these need
  vecpipe doctor --json                              for a health check

Without --tenant every tenant of the config is looked at. Nothing is changed; a provider embeds one short text.`,
    );
  define(command, () => import('./doctor-main.ts').then((module) => module.doctorMain));
};
