import type { CallOptions, Queryable } from '../ports/database.ts';

/** Two numbers that must be equal and are not. */
export interface Mismatch {
  tenant: string;
  /**
   * `balance`: a balance of the account and the sum of its entries; `transfer`: the entries of one transfer and
   * zero; `entries`: all entries of the tenant and zero; `reserved`: what the account has reserved and the open
   * reservations; `reservation`: what one reservation holds by its entries and by itself.
   */
  what: 'balance' | 'transfer' | 'entries' | 'reserved' | 'reservation';
  /** Which balance (`available` …), transfer or reservation; null where there is but one. */
  which: string | null;
  /** Null where it is missing altogether. */
  expected: number | null;
  found: number | null;
}

export interface LedgerCheck {
  accounts: number;
  entries: number;
  openReservations: number;
  /** How many there are in all. */
  mismatchCount: number;
  /** The first 100. */
  mismatches: Mismatch[];
}

/**
 * Checks that the balances of the tenants' accounts, their entries and their open reservations agree, whatever runs
 * meanwhile: all of it is read by one statement, hence as it was at one moment.
 */
export async function checkLedger(
  database: Queryable,
  tenants: readonly string[],
  options: CallOptions = {},
): Promise<LedgerCheck> {
  const { rows } = await database.query<LedgerCheck>(CHECK_SQL, [tenants], options);
  const [check] = rows;
  if (!check) throw new Error('the check of the ledger gave no row');
  return check;
}

// Entries are read once, and everything else is made from the sums.
const CHECK_SQL = `
  with entry as materialized (
    select tenant, transfer_id, account, reservation_id, amount from vecpipe.credit_entries
    where tenant = any ($1::text[])
  ), logged as materialized (
    select tenant,
      coalesce(sum(amount) filter (where account = 'granted'), 0) as granted,
      coalesce(sum(amount) filter (where account = 'available'), 0) as available,
      coalesce(sum(amount) filter (where account = 'reserved'), 0) as reserved,
      coalesce(sum(amount) filter (where account = 'spent'), 0) as spent,
      sum(amount) as total
    from entry group by tenant
  ), account as materialized (
    select tenant, granted, available, reserved, spent from vecpipe.credit_accounts
    where tenant = any ($1::text[])
  ), open_reservation as materialized (
    select tenant, id, credits from vecpipe.credit_reservations
    where tenant = any ($1::text[]) and from_account
  ), held as (
    select tenant, reservation_id as id, sum(amount) as credits from entry
    where reservation_id is not null and account = 'reserved'
    group by tenant, reservation_id
  ), balance as (
    select coalesce(a.tenant, l.tenant) as tenant, line.which, line.expected, line.found
    from account a full join logged l on l.tenant = a.tenant
    cross join lateral (values
      ('granted', coalesce(l.granted, 0), a.granted::numeric),
      ('available', coalesce(l.available, 0), a.available::numeric),
      ('reserved', coalesce(l.reserved, 0), a.reserved::numeric),
      ('spent', coalesce(l.spent, 0), a.spent::numeric)
    ) as line(which, expected, found)
  ), mismatch as (
    select tenant, 'balance' as what, which, expected, found from balance where expected is distinct from found
    union all
    select tenant, 'transfer', transfer_id::text, 0, sum(amount) from entry
    group by tenant, transfer_id having sum(amount) <> 0
    union all
    select tenant, 'entries', null, 0, total from logged where total <> 0
    union all
    select coalesce(o.tenant, a.tenant), 'reserved', null, coalesce(o.credits, 0), a.reserved::numeric
    from (select tenant, sum(credits) as credits from open_reservation group by tenant) o
    full join account a on a.tenant = o.tenant
    where coalesce(o.credits, 0) is distinct from a.reserved::numeric
    union all
    select coalesce(o.tenant, h.tenant), 'reservation', coalesce(o.id, h.id)::text,
      coalesce(o.credits, 0)::numeric, h.credits
    from open_reservation o full join held h on h.tenant = o.tenant and h.id = o.id
    where coalesce(o.credits, 0) <> coalesce(h.credits, 0)
  ), shown as (
    select * from mismatch order by tenant collate "C", what, which limit 100
  )
  select (select count(*) from account) as accounts, (select count(*) from entry) as entries,
    (select count(*) from open_reservation) as "openReservations",
    (select count(*) from mismatch) as "mismatchCount",
    (select coalesce(json_agg(shown), '[]') from shown) as mismatches`;
