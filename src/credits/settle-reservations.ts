import { retryConflicts } from '../db/retry-conflicts.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';

export interface SettleOptions extends CallOptions {
  /** Runs that are known to be dead, beyond those that are recorded as over. */
  runIds?: readonly string[];
}

/** What was given back, or would be. */
export interface FreedReservations {
  reservations: number;
  /** Credits that went back to their accounts. */
  credits: number;
}

/**
 * Gives back reservations that nobody will settle any more: those that have expired, and those of runs that are
 * over. Accounts, and the limits of runs that go on, get their credits back, and the entries say why. One statement;
 * repeated, it finds nothing. Whatever a living batch is about to settle is left to that batch.
 * @param tenant null for all of them; then accounts that somebody else is changing are left for the next time,
 *   so that no tenant waits for another
 */
export async function settleReservations(
  database: Queryable,
  tenant: string | null,
  { runIds = [], ...options }: SettleOptions = {},
): Promise<FreedReservations> {
  const sql = tenant === null ? SETTLE_ALL_SQL : SETTLE_SQL;
  const { rows } = await retryConflicts(
    () => database.query<FreedReservations>(sql, [tenant, runIds], options),
    options,
  );
  return rows[0] ?? { reservations: 0, credits: 0 };
}

/** What {@link settleReservations} would give back. Changes nothing. */
export async function findAbandonedReservations(
  database: Queryable,
  tenant: string | null,
  { runIds = [], ...options }: SettleOptions = {},
): Promise<FreedReservations> {
  const { rows } = await database.query<FreedReservations>(
    `select count(*) as reservations, coalesce(sum(credits) filter (where from_account), 0)::int8 as credits
    from vecpipe.credit_reservations r where ${IS_ABANDONED}`,
    [tenant, runIds],
    options,
  );
  return rows[0] ?? { reservations: 0, credits: 0 };
}

const IS_ABANDONED = `($1::text is null or r.tenant = $1) and (
      r.expires_at < now() or r.run_id = any ($2::uuid[])
      or exists (select from vecpipe.runs o where o.id = r.run_id and o.finished_at is not null))`;

const SETTLE_SQL = settleSql('for update');
const SETTLE_ALL_SQL = settleSql('for update skip locked');

// Locked in the order of every statement that moves credits: run, account. Reservations come last and are never
// waited for: a batch locks its own one first. Each row is read again once it is locked, so that a reservation that
// was renewed or settled meanwhile is left alone.
function settleSql(lock: string): string {
  return `
  with candidate as materialized (
    select r.id, r.tenant, budget.id as budget_id,
      case
        when r.run_id = any ($2::uuid[]) or (owner.finished_at is not null and owner.exit_code is null)
          then 'the run died'
        when owner.finished_at is not null then 'the run ended'
        else 'expired'
      end as reason
    from vecpipe.credit_reservations r
    left join vecpipe.runs owner on owner.id = r.run_id
    left join vecpipe.runs budget
      on budget.id = coalesce(owner.parent_id, owner.id) and budget.credits_left is not null
      and budget.finished_at is null and budget.id <> all ($2::uuid[])
    where ${IS_ABANDONED}
  ), budget as materialized (
    select id from vecpipe.runs where id in (select budget_id from candidate) order by id ${lock}
  ), account as materialized (
    select tenant from vecpipe.credit_accounts
    where tenant in (select tenant from candidate) and (select count(*) from budget) >= 0
    order by tenant ${lock}
  ), abandoned as materialized (
    select r.id, r.tenant, c.budget_id, c.reason, gen_random_uuid() as transfer_id
    from vecpipe.credit_reservations r join candidate c on c.id = r.id
    where ${IS_ABANDONED}
      and (not r.from_account or r.tenant in (select tenant from account))
      and (c.budget_id is null or c.budget_id in (select id from budget))
    order by r.id
    for update of r skip locked
  ), freed as (
    delete from vecpipe.credit_reservations r using abandoned a where r.id = a.id and r.tenant = a.tenant
    returning r.id, r.tenant, r.entity, r.run_id, r.credits, r.from_account,
      a.budget_id, a.reason, a.transfer_id
  ), budgets as (
    update vecpipe.runs b set credits_left = b.credits_left + sum.credits
    from (select budget_id, sum(credits)::int8 as credits from freed group by budget_id) as sum
    where b.id = sum.budget_id
  ), accounts as (
    update vecpipe.credit_accounts a
    set reserved = a.reserved - sum.credits, available = a.available + sum.credits
    from (select tenant, sum(credits)::int8 as credits from freed where from_account group by tenant) as sum
    where a.tenant = sum.tenant
  ), entries as (
    insert into vecpipe.credit_entries
      (tenant, transfer_id, kind, account, amount, reservation_id, run_id, entity, reason)
    select f.tenant, f.transfer_id, 'release', line.account, line.amount, f.id, f.run_id, f.entity, f.reason
    from freed f
    cross join lateral (values ('reserved', -f.credits), ('available', f.credits)) as line(account, amount)
    where f.from_account
    order by f.id
  )
  select count(*) as reservations, coalesce(sum(credits) filter (where from_account), 0)::int8 as credits
  from freed`;
}
