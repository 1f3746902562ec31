import { InvalidArgumentError } from 'commander';
import { collect, positiveInteger } from '../options.ts';
import type { Declare } from '../program.ts';

export interface CompareFlags {
  provider?: string[];
  template?: string[];
  sample?: number;
  queries?: string;
  top?: number;
  seed?: number;
  html?: string;
}

/** A comparison is for looking at: more rows or neighbours than this tell nobody more. */
const MOST_SAMPLED = 10_000;
const MOST_NEIGHBOURS = 100;

export const declareCompare: Declare = (program, define) => {
  const command = program
    .command('compare')
    .description('Compare providers or templates on a sample of rows, and change nothing.')
    .option('--provider <name>', 'provider of the config; may be repeated', collect)
    .option('--template <file|text>', 'Liquid template, or own for the one in use; may be repeated', collect)
    .option('--sample <n>', 'rows to compare on, 10000 at most (default: 500)', upTo(MOST_SAMPLED))
    .option('--queries <file>', 'one query a line, - for standard input (default: labels of the sample)')
    .option('--top <n>', 'neighbours a query, 100 at most (default: 10)', upTo(MOST_NEIGHBOURS))
    .option('--seed <n>', 'another number draws another sample (default: 1)', positiveInteger)
    .option('--html <file>', 'write a page that shows the neighbours side by side')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe compare --entity projects --provider gateway               against the provider in use
  vecpipe compare --entity projects --provider static --provider local --queries queries.txt
  vecpipe compare --entity projects --template '{{ name }}' --html report.html
  vecpipe compare --entity projects --provider gateway --dry-run     what would be embedded

One tenant and one entity at a time. The first provider and template are what the others are measured against.`,
    );
  define(command, () => import('./compare-main.ts').then((module) => module.compareMain));
};

function upTo(limit: number): (text: string) => number {
  return (text) => {
    const number = positiveInteger(text);
    if (number > limit) throw new InvalidArgumentError(`It must be at most ${limit}.`);
    return number;
  };
}
