import { InvalidArgumentError } from 'commander';
import { positiveInteger } from '../options.ts';
import type { Declare } from '../program.ts';

export interface GrantFlags {
  withdraw?: boolean;
  reason?: string;
  key?: string;
}

export interface LedgerFlags {
  limit?: number;
}

export const declareCredits: Declare = (program, define) => {
  const credits = program
    .command('credits')
    .description('Grant credits to tenants, and show and check what became of them.')
    .usage('<command> [options]')
    .addHelpText(
      'after',
      `
A tenant without an account has no limit; the first grant opens one.

Examples:
  vecpipe credits grant 1000000 --tenant 1
  vecpipe credits balance --all-tenants`,
    );

  const grant = credits
    .command('grant')
    .description('Grant credits to a tenant, or take some back. The first grant opens an account.')
    .argument('<amount>', 'whole number of credits for each tenant', positiveInteger)
    .option('--withdraw', 'take them back, as far as they are available')
    .option('--reason <text>', 'what for; shown by credits ledger', given)
    .option('--key <key>', 'enter it once, however often the command runs with this key', given)
    .addHelpText(
      'after',
      `
Examples:
  vecpipe credits grant 1000000 --tenant 1 --reason 'invoice 4711'
  vecpipe credits grant 50000 --all-tenants --key 2026-11    from cron, once a month
  vecpipe credits grant 200 --tenant 1 --withdraw            a grant that was too high`,
    );
  define(grant, () => import('./credits-grant-main.ts').then((module) => module.creditsGrantMain));

  const balance = credits
    .command('balance')
    .description('Show what tenants were granted, have left, have reserved and have spent.')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe credits balance --tenant 1
  vecpipe credits balance --all-tenants --json`,
    );
  define(balance, () => import('./credits-balance-main.ts').then((module) => module.creditsBalanceMain));

  const ledger = credits
    .command('ledger')
    .description('Show what was granted, reserved, charged and given back, the newest first.')
    .option('--limit <n>', 'transfers to show (default: 50)', positiveInteger)
    .addHelpText(
      'after',
      `
Examples:
  vecpipe credits ledger --tenant 1
  vecpipe credits ledger --tenant 1 --entity projects --limit 500 --json`,
    );
  define(ledger, () => import('./credits-ledger-main.ts').then((module) => module.creditsLedgerMain));

  const check = credits
    .command('check')
    .description('Prove that balances, entries and open reservations agree.')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe credits check --all-tenants`,
    );
  define(check, () => import('./credits-check-main.ts').then((module) => module.creditsCheckMain));

  const settle = credits
    .command('settle')
    .description('Give back what dead runs have reserved, and show what is still to be charged.')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe credits settle --all-tenants
  vecpipe credits settle --all-tenants --dry-run

Every vectorize does the same for its tenants when it starts.`,
    );
  define(settle, () => import('./credits-settle-main.ts').then((module) => module.creditsSettleMain));
};

function given(text: string): string {
  // An unset variable in a script would make all grants the same one.
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}
