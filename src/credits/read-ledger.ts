import type { CallOptions, Queryable } from '../ports/database.ts';

/** What moved at once; the amounts sum to zero. */
export interface Transfer {
  id: string;
  time: Date;
  tenant: string;
  kind: 'grant' | 'reserve' | 'charge' | 'release';
  /** What each account gained or lost; `granted` sinks by what is granted. */
  granted: number;
  available: number;
  reserved: number;
  spent: number;
  /** Of the batch that it is about; null for a grant. */
  reservationId: string | null;
  /** The run itself where one of its workers held the batch. */
  runId: string | null;
  entity: string | null;
  /** Given with a grant. */
  key: string | null;
  reason: string | null;
}

export interface ReadLedgerOptions extends CallOptions {
  tenants: readonly string[];
  /** Only what is about these; null for everything. */
  entities: readonly string[] | null;
  /** Transfers at the most. */
  limit: number;
}

/** The last transfers of the tenants, the newest first. */
export async function readLedger(
  database: Queryable,
  { tenants, entities, limit, ...options }: ReadLedgerOptions,
): Promise<Transfer[]> {
  const { rows } = await database.query<Transfer>(LEDGER_SQL, [tenants, entities, limit], options);
  return rows;
}

// A transfer has an entry for each of the four accounts at the most. Its entries were written by one statement, which
// does not say that their ids follow each other: others may have written in between.
const LEDGER_SQL = `
  with recent as (
    select id, tenant, transfer_id, reservation_id from vecpipe.credit_entries
    where tenant = any ($1::text[]) and ($2::text[] is null or entity = any ($2::text[]))
    order by id desc limit 4 * $3::int8
  ), last as (
    select tenant, transfer_id, max(id) as id, max(reservation_id::text)::uuid as reservation_id
    from recent group by tenant, transfer_id order by max(id) desc limit $3::int8
  )
  select last.transfer_id as id, last.tenant, max(e.created_at) as time, max(e.kind) as kind,
    coalesce(sum(e.amount) filter (where e.account = 'granted'), 0)::int8 as granted,
    coalesce(sum(e.amount) filter (where e.account = 'available'), 0)::int8 as available,
    coalesce(sum(e.amount) filter (where e.account = 'reserved'), 0)::int8 as reserved,
    coalesce(sum(e.amount) filter (where e.account = 'spent'), 0)::int8 as spent,
    last.reservation_id::text as "reservationId", coalesce(
      (select coalesce(r.parent_id, r.id)::text from vecpipe.runs r where r.id = max(e.run_id::text)::uuid),
      max(e.run_id::text)
    ) as "runId", max(e.entity) as entity,
    max(e.idempotency_key) as key, max(e.reason) as reason
  from last cross join lateral (
    select * from vecpipe.credit_entries b
    where b.reservation_id = last.reservation_id and b.tenant = last.tenant and b.transfer_id = last.transfer_id
    union all
    select * from vecpipe.credit_entries g
    where last.reservation_id is null and g.id between last.id - 1000 and last.id
      and g.tenant = last.tenant and g.transfer_id = last.transfer_id
  ) as e
  group by last.id, last.tenant, last.transfer_id, last.reservation_id
  order by last.id desc`;
