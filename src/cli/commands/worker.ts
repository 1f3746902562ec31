import { Option } from 'commander';
import type { Declare } from '../program.ts';
import { addMaxOutage } from '../max-outage.ts';
import type { MaxOutageFlag } from '../max-outage.ts';
import { duration, positiveInteger } from '../options.ts';
import type { GlobalOptions } from '../options.ts';

export interface WorkerFlags extends MaxOutageFlag {
  /** The run that started it. */
  run: string;
  /** Workers of that run. */
  of: number;
  batchSize: number;
  batches: number;
  hasCreditLimit?: boolean;
  yes?: boolean;
  /** Milliseconds. */
  grace?: number;
}

/** What `vectorize --workers` starts; nobody else has a use for it, so it is not in the help. */
export const declareWorker: Declare = (program, define) => {
  const command = program
    .command('worker', { hidden: true })
    .description('A worker process of `vecpipe vectorize --workers`, which starts it.')
    .requiredOption('--run <id>')
    .requiredOption('--of <n>', '', positiveInteger)
    .requiredOption('--batch-size <n>', '', positiveInteger)
    .requiredOption('--batches <n>', '', positiveInteger)
    .option('--has-credit-limit')
    .option('--yes')
    .addOption(new Option('--grace <duration>').argParser(duration));
  addMaxOutage(command);
  define(command, () => import('./worker-main.ts').then((module) => module.workerMain));
};

/** The arguments that make it do a part of a run's work. */
export function workerArguments(
  flags: WorkerFlags,
  selected: Pick<GlobalOptions, 'tenant' | 'allTenants' | 'entity' | 'verbose'> & { config: string | null },
): string[] {
  const { run, of, batchSize, batches, hasCreditLimit, yes, grace, maxOutage } = flags;
  return [
    'worker',
    '--run',
    run,
    '--of',
    `${of}`,
    '--batch-size',
    `${batchSize}`,
    '--batches',
    `${batches}`,
    ...(hasCreditLimit === true ? ['--has-credit-limit'] : []),
    ...(yes === true ? ['--yes'] : []),
    ...(grace === undefined ? [] : ['--grace', `${grace}ms`]),
    ...(maxOutage === undefined ? [] : ['--max-outage', `${maxOutage}ms`]),
    ...(selected.config === null ? [] : ['--config', selected.config]),
    ...(selected.tenant ?? []).flatMap((tenant) => ['--tenant', tenant]),
    ...(selected.allTenants === true ? ['--all-tenants'] : []),
    ...(selected.entity ?? []).flatMap((entity) => ['--entity', entity]),
    selected.verbose === true ? '--verbose' : '--quiet',
  ];
}
