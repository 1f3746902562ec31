import { InvalidArgumentError } from 'commander';
import type { Declare } from '../program.ts';
import { addMaxOutage } from '../max-outage.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { integerUpTo } from '../options.ts';

export interface AdoptFlags extends MaxOutageFlag {
  keyField: string;
  sample?: number;
  minSimilarity?: number;
  replace?: boolean;
}

/** Texts and vectors of a sample are in memory at once. */
const MOST_SAMPLED = 10_000;

export const declareAdopt: Declare = (program, define) => {
  const command = program
    .command('adopt')
    .description(
      'Take over a Qdrant collection that something else filled, without buying its vectors again.',
    )
    .argument('<collection>', 'the collection to take over; it stays as it is')
    .requiredOption('--key-field <field>', "payload field that holds the row's key; dots lead into objects")
    .option(
      '--sample <n>',
      'rows to embed again and compare, 10000 at most (default: 50)',
      integerUpTo(MOST_SAMPLED),
    )
    .option(
      '--min-similarity <cosine>',
      'how near a vector must be to the one made now (default: 0.99)',
      similarity,
    )
    .option('--replace', "delete the old collection after the copy, where it bears the alias's name")
    .addHelpText(
      'after',
      `
Examples:
  vecpipe adopt old_projects --key-field id --tenant 1 --entity projects
  vecpipe adopt old_projects --key-field meta.project_id --entity projects --dry-run
  vecpipe adopt client_1_projects --key-field id --entity projects --replace

One tenant and one entity at a time. Afterwards, vecpipe vectorize embeds the rows that had no vector.`,
    );
  addMaxOutage(command);
  define(command, () => import('./adopt-main.ts').then((module) => module.adoptMain));
};

function similarity(text: string): number {
  const number = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || number > 1)
    throw new InvalidArgumentError('It must be a number from 0 to 1.');
  return number;
}
