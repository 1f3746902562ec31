import type { Declare } from '../program.ts';

export const declareExplain: Declare = (program, define) => {
  const command = program
    .command('explain')
    .description('Show everything about one row: text, tokens, hash, points, queue and state.')
    .argument('<key>', 'key of the row; the parts of a key of several columns are joined by /')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe explain 10001 --entity projects
  vecpipe explain 7/en --entity articles`,
    );
  define(command, () => import('./explain-main.ts').then((module) => module.explainMain));
};
