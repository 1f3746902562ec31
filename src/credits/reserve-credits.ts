import { randomUUID } from 'node:crypto';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { LeaseLostError } from '../pipeline/held-lease.ts';
import { DatabaseError } from '../ports/database.ts';
import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';

export interface ReservationRequest {
  /** The batch's lease token: one reservation a run and batch, however often it is asked for. */
  id: string;
  tenant: string;
  entity: string;
  runId: string;
  credits: number;
  /** Rows that are to be embedded. */
  rows: number;
  /** The reservation is given back when it is not renewed for so long. */
  leaseMs: number;
}

const UNIQUE_VIOLATION = '23505';

/** What stands in the way of a reservation that was not made. */
export interface Shortage {
  /** Credits that the tenant has; null without an account. */
  available: number | null;
  /** Credits that other batches have reserved and may give back. */
  reserved: number;
  /** Credits that the run may still reserve; null without a limit. */
  runLeft: number | null;
  /** Credits that the run's other batches have reserved. */
  runReserved: number;
}

interface ReservationRow extends Shortage {
  made: boolean;
  /** Credits of the reservation that was there already. */
  existing: number | null;
}

/**
 * Sets credits aside for a batch before its texts are sent: the run's own limit and the tenant's account, both or
 * neither, in one statement. Waits for nothing but the lock on the account's row.
 * @returns null when they are reserved
 * @throws LeaseLostError when its reservation has expired already; {Error} when the batch has reserved another amount
 */
export async function reserveCredits(
  database: Queryable,
  request: ReservationRequest,
  options: CallOptions = {},
): Promise<Shortage | null> {
  const { id, tenant, entity, runId, credits, rows, leaseMs } = request;
  const values = [tenant, id, entity, runId, credits, rows, leaseMs, randomUUID()];
  const ask = () =>
    retryConflicts(
      () =>
        database.query<ReservationRow>(RESERVE_SQL, values, { timeLimitMs: SHORT_STATEMENT_MS, ...options }),
      options,
    );
  const result = await ask().catch((error: unknown) => {
    if (!(error instanceof DatabaseError) || error.sqlState !== UNIQUE_VIOLATION) throw error;
    // The same statement was on its way: its answer was lost, and this is its repetition. Now it can be seen.
    return ask().catch((again: unknown) => {
      if (!(again instanceof DatabaseError) || again.sqlState !== UNIQUE_VIOLATION) throw again;
      // It was made, and given back when nobody renewed it.
      throw new LeaseLostError();
    });
  });
  const [row] = result.rows;
  if (!row) throw new Error('a reservation was neither made nor refused');
  const { made, existing, ...shortage } = row;
  if (made || existing === credits) return null;
  if (existing !== null) {
    throw new Error(`batch ${id} has reserved ${existing} credits before, and now asks for ${credits}`);
  }
  return shortage;
}

// The run's row is locked before the account's here and wherever credits move, so that two of them cannot wait for
// each other. What is locked is read as it is then, not as it was when the statement began.
const RESERVE_SQL = `
  with budget as (
    select id, credits_left from vecpipe.runs
    where id = (select coalesce(parent_id, id) from vecpipe.runs where id = $4::uuid) and credits_left is not null
    for update
  ), account as (
    select tenant, available, reserved from vecpipe.credit_accounts
    where tenant = $1 and (select count(*) from budget) >= 0
    for update
  ), existing as (
    select credits from vecpipe.credit_reservations where tenant = $1 and id = $2::uuid
  ), verdict as (
    select coalesce((select available >= $5::int8 from account), true)
      and coalesce((select credits_left >= $5::int8 from budget), true)
      and not exists (select from existing) as made
  ), limited as (
    update vecpipe.runs r set credits_left = r.credits_left - $5::int8 from budget, verdict
    where r.id = budget.id and verdict.made
  ), taken as (
    update vecpipe.credit_accounts a set available = a.available - $5::int8, reserved = a.reserved + $5::int8
    from account, verdict
    where a.tenant = $1 and a.tenant = account.tenant and verdict.made
    returning a.tenant
  ), reservation as (
    insert into vecpipe.credit_reservations (id, tenant, entity, run_id, credits, rows, from_account, expires_at)
    select $2::uuid, $1, $3, $4::uuid, $5::int8, $6::int4, exists (select from account),
      now() + $7::float8 * interval '1 millisecond'
    from verdict where made
  ), entries as (
    insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount, reservation_id, run_id, entity)
    select $1, $8::uuid, 'reserve', line.account, line.amount, $2::uuid, $4::uuid, $3
    from taken cross join (values ('available', -$5::int8), ('reserved', $5::int8)) as line(account, amount)
  )
  select verdict.made, (select credits from existing) as existing,
    (select available from account) as available,
    coalesce((select reserved from account), 0) as reserved,
    (select credits_left from budget) as "runLeft",
    coalesce((
      select sum(r.credits)::int8 from vecpipe.credit_reservations r join budget on true
      where r.run_id = budget.id or r.run_id in (select id from vecpipe.runs where parent_id = budget.id)
    ), 0) as "runReserved"
  from verdict`;
