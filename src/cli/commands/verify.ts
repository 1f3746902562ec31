import { Option } from 'commander';
import { addMaxOutage } from '../max-outage.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { integerUpTo } from '../options.ts';
import type { Declare } from '../program.ts';

export interface VerifyFlags extends MaxOutageFlag {
  fast?: boolean;
  vectors?: boolean;
  sample?: number;
  fix?: boolean;
  yes?: boolean;
  examples?: number;
  findings?: string;
}

/** More than a person reads, and few enough to be held. */
const MOST_EXAMPLES = 10_000;
/** Their keys are in memory at once. */
const MOST_SAMPLED = 100_000;

export const declareVerify: Declare = (program, define) => {
  const command = program
    .command('verify')
    .description('Prove that the collections hold what the rows say, or say where they do not.')
    .addOption(
      new Option(
        '--fast',
        'compare the ids of points only, so that an outdated or foreign payload is not seen',
      ).conflicts('vectors'),
    )
    .option('--vectors', 'look at every vector, too: width, zeros, numbers that are not finite')
    .option(
      '--sample <n>',
      'embed n rows of each tenant anew, and compare the vectors (100000 at most)',
      integerUpTo(MOST_SAMPLED),
    )
    .option('--fix', 'repair what is found, and verify again')
    .option('--yes', 'with --fix: delete vanished rows even when they are more than 20 %')
    .option('--examples <n>', 'findings shown one by one (default: 10)', examples)
    .option('--findings <file>', 'write every finding to a file, one JSON object a line')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe verify --tenant 1                          rows, record and points of one tenant
  vecpipe verify --all-tenants --fast                as fast as ids can be listed; payloads are not read
  vecpipe verify --vectors --sample 100              vectors as well, some of them embedded anew
  vecpipe verify --fix                               repair, then prove it
  vecpipe verify --fix --dry-run                     what would be repaired
  vecpipe verify --json --findings findings.ndjson   counts as one object, every finding in a file

Rows that are queued, or change meanwhile, are not called drift. Exit code 3 says that something was found.`,
    );
  addMaxOutage(command);
  define(command, () => import('./verify-main.ts').then((module) => module.verifyMain));
};

function examples(text: string): number {
  return text === '0' ? 0 : integerUpTo(MOST_EXAMPLES)(text);
}
