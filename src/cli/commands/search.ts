import { collect, positiveInteger } from '../options.ts';
import type { Declare } from '../program.ts';

export interface SearchFlags {
  limit?: number;
  filter?: string[];
}

export const declareSearch: Declare = (program, define) => {
  const command = program
    .command('search')
    .description('Show the rows nearest to a text, to see that it works.')
    .argument('<text...>', 'what to look for')
    .option('--limit <n>', 'rows to show (default: 10)', positiveInteger)
    .option(
      '--filter <key=value>',
      'only points whose payload field has this value; may be repeated',
      collect,
    )
    .addHelpText(
      'after',
      `
Examples:
  vecpipe search "payment fails" --entity projects
  vecpipe search done --entity statuses --filter category=Done --limit 3`,
    );
  define(command, () => import('./search-main.ts').then((module) => module.searchMain));
};
