/**
 * Part of a statement that ends a batch: gives up its reservation, charges what a CTE `charge (credits)` says, and
 * frees the rest, with the entries for it. Without a reservation the charge comes out of what is available.
 *
 * Bound: $1 tenant, $2 entity, $4 lease token. It adds the CTEs `reservation`, `settlement (charged, reserved)`,
 * `budget`, `account` and `entries`.
 * @param parameters the numbers of the bound values run id, and two fresh uuids for the two transfers
 * @param reason SQL for why the rest is freed, as text
 */
export function settlementSql(
  parameters: { run: number; chargeId: number; releaseId: number },
  reason: string,
): string {
  const { run, chargeId, releaseId } = parameters;
  return `
  reservation as (
    delete from vecpipe.credit_reservations where tenant = $1 and id = $4::uuid
    returning credits, from_account
  ), settlement as (
    select charge.credits as charged, coalesce((select credits from reservation), 0) as reserved,
      coalesce((select credits from reservation where from_account), 0) as held
    from charge
  ), budget as (
    update vecpipe.runs r set credits_left = r.credits_left + s.reserved - s.charged from settlement s
    where r.id = (select coalesce(parent_id, id) from vecpipe.runs where id = $${run}::uuid)
      and r.credits_left is not null and (s.reserved <> 0 or s.charged <> 0)
    returning r.id
  ), account as (
    update vecpipe.credit_accounts a set
      reserved = a.reserved - s.held,
      spent = a.spent + s.charged,
      available = a.available + s.held - s.charged
    from settlement s
    -- The run's row is locked first, here and wherever credits move.
    where a.tenant = $1 and (s.held <> 0 or s.charged <> 0) and (select count(*) from budget) >= 0
    returning s.charged, s.held
  ), entries as (
    insert into vecpipe.credit_entries
      (tenant, transfer_id, kind, account, amount, reservation_id, run_id, entity, reason)
    select $1, line.transfer_id, line.kind, line.account, line.amount, $4::uuid, $${run}::uuid, $2,
      case line.kind when 'release' then ${reason} end
    from account a cross join lateral (values
      ($${chargeId}::uuid, 'charge', 'reserved', -least(a.charged, a.held)),
      ($${chargeId}::uuid, 'charge', 'available', -greatest(a.charged - a.held, 0)),
      ($${chargeId}::uuid, 'charge', 'spent', a.charged),
      ($${releaseId}::uuid, 'release', 'reserved', -greatest(a.held - a.charged, 0)),
      ($${releaseId}::uuid, 'release', 'available', greatest(a.held - a.charged, 0))
    ) as line(transfer_id, kind, account, amount)
    where line.amount <> 0
  )`;
}
