import { grantCredits, planGrant } from '../../credits/grant-credits.ts';
import type { Grant } from '../../credits/grant-credits.ts';
import { counted } from '../counted.ts';
import { openCreditsSession } from '../credits-session.ts';
import type { Main } from '../run-command.ts';
import type { GrantFlags } from './credits.ts';

/** Enters a grant for each selected tenant: all of them or none. */
export const creditsGrantMain: Main<GrantFlags> = async (context) => {
  const { options, args, io } = context;
  const { withdraw = false, reason = null, key = null, dryRun = false } = options;
  const session = await openCreditsSession(context);
  const credits = Number(args[0]);
  const request = { tenants: session.tenants, amount: withdraw ? -credits : credits, reason, key };
  const grant = dryRun ? planGrant : grantCredits;
  const grants = await grant(session.database, request, { signal: io.stop.stop });
  return {
    json: { grants },
    summary: grants.map((each) => sentence(each, { key, dryRun })),
  };
};

function sentence(
  { tenant, amount, available, opensAccount, isRepeat }: Grant,
  { key, dryRun }: { key: string | null; dryRun: boolean },
): string {
  const credits = counted(Math.abs(amount), 'credit');
  const isTaken = amount < 0;
  if (isRepeat) {
    const what = isTaken ? `taking ${credits} back from` : `granting ${credits} to`;
    return `Key ${key}: ${what} tenant ${tenant} was entered before, nothing to do; available: ${available}.`;
  }
  const done = isTaken ? `Took ${credits} back from` : `Granted ${credits} to`;
  const planned = isTaken ? `Would take ${credits} back from` : `Would grant ${credits} to`;
  const left = dryRun ? `available then: ${available}` : `available: ${available}`;
  const limited = opensAccount
    ? ' The tenant had no limit before; with this account it can spend only what it was granted.'
    : '';
  return `${dryRun ? planned : done} tenant ${tenant}; ${left}.${limited}`;
}
