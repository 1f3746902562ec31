import type { CallOptions, Queryable } from '../ports/database.ts';

/** The credits of one tenant. */
export interface Account {
  tenant: string;
  /** What was granted in all, less what was taken back. */
  granted: number;
  /** May be below zero by what a batch used beyond its reservation. */
  available: number;
  /** Set aside for batches under way. */
  reserved: number;
  spent: number;
}

/** The accounts of those tenants that have one, in the order of the tenants. A tenant without has no limit. */
export async function readAccounts(
  database: Queryable,
  tenants: readonly string[],
  options: CallOptions = {},
): Promise<Account[]> {
  const { rows } = await database.query<Account>(
    `select a.tenant, -a.granted as granted, a.available, a.reserved, a.spent
    from unnest($1::text[]) with ordinality as wanted(tenant, position)
    join vecpipe.credit_accounts a on a.tenant = wanted.tenant
    order by wanted.position`,
    [tenants],
    options,
  );
  return rows;
}

/** Whether the tenant has an account, hence a limit. */
export async function hasAccount(
  database: Queryable,
  tenant: string,
  options: CallOptions = {},
): Promise<boolean> {
  return (await readAccounts(database, [tenant], options)).length > 0;
}
