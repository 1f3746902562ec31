import type { CallOptions, Queryable } from '../ports/database.ts';
import { MICROS_PER_CREDIT } from './credits.ts';

export interface DueCharges {
  tenant: string;
  /** Vectors that were bought and not delivered yet. */
  vectors: number;
  /** Credits for them, not rounded: the batch that delivers them rounds up. */
  credits: number;
}

/** What will be charged once vectors that were bought before are delivered, for those tenants where it is something. */
export async function readDueCharges(
  database: Queryable,
  tenants: readonly string[],
  options: CallOptions = {},
): Promise<DueCharges[]> {
  const { rows } = await database.query<{ tenant: string; vectors: number; micros: number }>(
    `select tenant, count(*) as vectors, sum(due_micros)::int8 as micros from vecpipe.receipts
    where tenant = any ($1::text[]) and due_micros > 0 group by tenant order by tenant`,
    [tenants],
    options,
  );
  return rows.map(({ micros, ...due }) => ({ ...due, credits: micros / MICROS_PER_CREDIT }));
}
