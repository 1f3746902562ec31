import { checkLedger } from '../../credits/check-ledger.ts';
import type { LedgerCheck, Mismatch } from '../../credits/check-ledger.ts';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import { counted } from '../counted.ts';
import { openCreditsSession } from '../credits-session.ts';
import type { CommandResult, Main } from '../run-command.ts';
import { renderTable } from '../table.ts';

/** Proves that the accounts of the selected tenants are what their entries say. */
export const creditsCheckMain: Main<object> = async (context) => {
  const { database, tenants } = await openCreditsSession(context);
  const check = await checkLedger(database, tenants, { signal: context.io.stop.stop });
  const result: CommandResult = { json: { check } };
  if (check.mismatchCount === 0) return { ...result, summary: [sentence(check)] };
  context.partial = () => ({ ...result, text: mismatchTable(check) });
  throw new VecpipeError('drift', `the credits disagree in ${counted(check.mismatchCount, 'place')}`, {
    code: 'credits_mismatch',
    hint: 'vecpipe has not written it like this: somebody changed the tables, or restored a part of them',
  });
};

function sentence({ accounts, entries, openReservations }: LedgerCheck): string {
  if (accounts === 0 && entries === 0) return 'No account, and no entry: nothing that could disagree.';
  const seen = [
    counted(accounts, 'account'),
    counted(entries, 'entry', 'entries'),
    counted(openReservations, 'open reservation'),
  ].join(', ');
  return `${seen}: every balance equals its entries, and all entries sum to zero.`;
}

function mismatchTable({ mismatchCount, mismatches }: LedgerCheck): string {
  const table = renderTable(
    ['tenant', 'what disagrees', 'expected', 'found'],
    mismatches.map((mismatch) => [
      mismatch.tenant,
      describe(mismatch),
      mismatch.expected ?? 'none',
      mismatch.found ?? 'none',
    ]),
  );
  const more = mismatchCount - mismatches.length;
  return more > 0 ? `${table}\n… and ${more} more` : table;
}

function describe({ what, which }: Mismatch): string {
  switch (what) {
    case 'balance':
      return `${which} of the account, by its entries`;
    case 'transfer':
      return `sum of transfer ${which}`;
    case 'entries':
      return 'sum of all entries';
    case 'reserved':
      return 'reserved of the account, by the open reservations';
    case 'reservation':
      return `reservation ${which}, by its entries`;
    default:
      return what satisfies never;
  }
}
