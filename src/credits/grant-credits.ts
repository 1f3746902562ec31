import { retryConflicts } from '../db/retry-conflicts.ts';
import { usageError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database, Queryable } from '../ports/database.ts';

export interface GrantRequest {
  /** Each of them gets the amount. */
  tenants: readonly string[];
  /** Whole credits; a negative number takes back. */
  amount: number;
  reason: string | null;
  /** The same grant under the same key is entered once for a tenant; null enters it every time. */
  key: string | null;
}

/** What was granted to one tenant, or would be. */
export interface Grant {
  tenant: string;
  amount: number;
  /** Afterwards. */
  available: number;
  /** The tenant had no account, and with that no limit. */
  opensAccount: boolean;
  /** Entered before under the same key: nothing was done. */
  isRepeat: boolean;
}

interface AccountState {
  tenant: string;
  /** Null without an account. */
  available: number | null;
  granted: number | null;
  /** What was entered under the key; null when nothing was. */
  entered: number | null;
}

/**
 * Grants credits, or takes some back: all tenants or none of them, in one transaction.
 * @throws {VecpipeError} `usage` when the key stands for another amount, or more is to be taken back than there is
 */
export async function grantCredits(
  database: Database,
  request: GrantRequest,
  options: CallOptions = {},
): Promise<Grant[]> {
  const { tenants, amount, reason, key } = request;
  const grantIn = async (tx: Queryable): Promise<Grant[]> => {
    const { rows: opened } = await tx.query<{ tenant: string }>(
      `insert into vecpipe.credit_accounts (tenant)
      select tenant from unnest($1::text[]) as wanted(tenant) where $2::int8 > 0
      order by tenant collate "C" on conflict do nothing returning tenant`,
      [tenants, amount],
    );
    await tx.query(
      'select from vecpipe.credit_accounts where tenant = any ($1::text[]) order by tenant for update',
      [tenants],
    );
    const states = await readStates(tx, request);
    const newTenants = new Set(opened.map(({ tenant }) => tenant));
    const grants = judge(
      states.map((state) => (newTenants.has(state.tenant) ? { ...state, available: null } : state)),
      request,
    );
    const paidOut = grants.filter(({ isRepeat }) => !isRepeat).map(({ tenant }) => tenant);
    await tx.query(GRANT_SQL, [paidOut, amount, key, reason]);
    return grants;
  };
  return retryConflicts(() => database.transaction(grantIn, options), options);
}

/** What {@link grantCredits} would do and refuse. Changes nothing. */
export async function planGrant(
  database: Queryable,
  request: GrantRequest,
  options: CallOptions = {},
): Promise<Grant[]> {
  return judge(await readStates(database, request, options), request);
}

async function readStates(
  database: Queryable,
  { tenants, key }: GrantRequest,
  options: CallOptions = {},
): Promise<AccountState[]> {
  const { rows } = await database.query<AccountState>(
    `select wanted.tenant, a.available, a.granted, e.amount as entered
    from unnest($1::text[]) with ordinality as wanted(tenant, position)
    left join vecpipe.credit_accounts a on a.tenant = wanted.tenant
    left join vecpipe.credit_entries e
      on e.tenant = wanted.tenant and e.idempotency_key = $2 and e.account = 'available'
    order by wanted.position`,
    [tenants, key],
    options,
  );
  return rows;
}

function judge(states: readonly AccountState[], { amount, key }: GrantRequest): Grant[] {
  return states.map(({ tenant, available, granted, entered }) => {
    if (entered !== null && entered !== amount) {
      throw usageError(
        'credits_key_taken',
        `the key ${key} of tenant ${tenant} stands for ${describe(entered)}, not for ${describe(amount)}`,
        'give another --key, or the amount that was entered under this one',
      );
    }
    const isRepeat = entered !== null;
    const before = available ?? 0;
    if (!isRepeat && amount < 0 && before < -amount) {
      throw usageError(
        'credits_not_available',
        available === null
          ? `tenant ${tenant} has no account that ${-amount} credits could be taken back from`
          : `tenant ${tenant} has ${available} credits available, which is less than the ${-amount} to be taken back`,
        'vecpipe credits balance shows what is available',
      );
    }
    // What was granted stands as a negative number. Beyond this, sums could not be told exactly.
    if (!isRepeat && amount - (granted ?? 0) > Number.MAX_SAFE_INTEGER) {
      throw usageError(
        'credits_too_many',
        `tenant ${tenant} would have been granted more than ${Number.MAX_SAFE_INTEGER} credits`,
      );
    }
    return {
      tenant,
      amount,
      available: isRepeat ? before : before + amount,
      opensAccount: available === null,
      isRepeat,
    };
  });
}

function describe(amount: number): string {
  return amount < 0 ? `${-amount} credits taken back` : `${amount} credits granted`;
}

const GRANT_SQL = `
  with account as (
    update vecpipe.credit_accounts set granted = granted - $2::int8, available = available + $2::int8
    where tenant = any ($1::text[])
    returning tenant
  ), transfer as materialized (
    select tenant, gen_random_uuid() as id from account
  )
  insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount, idempotency_key, reason)
  select t.tenant, t.id, 'grant', line.account, line.amount, $3, $4
  from transfer t cross join (values ('granted', -$2::int8), ('available', $2::int8)) as line(account, amount)
  order by t.tenant`;
