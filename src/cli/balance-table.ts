import type { Account } from '../credits/read-accounts.ts';
import { renderTable } from './table.ts';

/** A line a tenant; one without an account has no limit. */
export function balanceTable(tenants: readonly string[], accounts: readonly Account[]): string {
  const byTenant = new Map(accounts.map((account) => [account.tenant, account]));
  return renderTable(
    ['tenant', 'granted', 'available', 'reserved', 'spent'],
    tenants.map((tenant) => {
      const account = byTenant.get(tenant);
      return account
        ? [tenant, account.granted, account.available, account.reserved, account.spent]
        : [tenant, '-', 'no limit', '-', '-'];
    }),
  );
}
