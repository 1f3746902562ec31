import { readAccounts } from '../../credits/read-accounts.ts';
import { balanceTable } from '../balance-table.ts';
import { openCreditsSession } from '../credits-session.ts';
import type { Main } from '../run-command.ts';

/** Shows the accounts of the selected tenants. */
export const creditsBalanceMain: Main<object> = async (context) => {
  const { database, tenants } = await openCreditsSession(context);
  const accounts = await readAccounts(database, tenants, { signal: context.io.stop.stop });
  const byTenant = new Map(accounts.map((account) => [account.tenant, account]));
  const none = { granted: null, available: null, reserved: null, spent: null };
  return {
    text: balanceTable(tenants, accounts),
    json: { balances: tenants.map((tenant) => byTenant.get(tenant) ?? { tenant, ...none }) },
  };
};
