import { randomUUID } from 'node:crypto';
import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Batch, ClaimedRow, QueuePlace, WorkOf } from './work.ts';

export interface ClaimOptions extends CallOptions, WorkOf {
  tenant: string;
  entity: string;
  runId: string;
  limit: number;
  leaseMs: number;
  /** Only rows behind this place in the queue; left out: from its beginning. */
  after?: QueuePlace | undefined;
  /** Only rows that are to be deleted, or only the others; left out: all. */
  only?: 'delete' | 'upsert' | undefined;
  /** Nothing is claimed while this generation is not live, or is held because it is about to be replaced. */
  generationId?: number | undefined;
}

/**
 * Leases up to `limit` queued rows, oldest first, skipping those that another worker holds. One statement, one
 * round trip; the lease is all that is left of it.
 *
 * What was done leaves dead rows at the front of the queue for as long as any session holds an older snapshot, and
 * each claim from the beginning would walk over all of them: so a worker goes on from where its last claim ended.
 * @returns null when nothing can be claimed there now
 */
export async function claimBatch(
  database: Queryable,
  {
    tenant,
    entity,
    runId,
    limit,
    leaseMs,
    after,
    only,
    building = 0,
    generationId,
    ...options
  }: ClaimOptions,
): Promise<Batch | null> {
  const leaseToken = randomUUID();
  // Taken before the statement is sent: the lease in the database can only end later than this.
  const leaseValidUntil = performance.now() + leaseMs;
  const { rows } = await database.query<ClaimedRow & QueuePlace>(
    `with generation as (
      -- Locked, so that whoever holds it waits for claims that have not seen that yet.
      select status, held_until from vecpipe.generations where id = $11::int8 for share
    ), picked as (
      select key, unconfirmed, (extract(epoch from available_at) * 1000000)::int8 as "availableAtMicros"
      from vecpipe.queue
      where tenant = $1 and entity = $2 and available_at <= now() and (lease_until is null or lease_until < now())
        and (available_at, key) > (timestamptz 'epoch' + $7::int8 * interval '1 microsecond', $8)
        and building = $10 and ($9::text is null or operation = $9::text)
        and not exists (select from generation g where g.status <> 'live' or g.held_until > now())
      order by available_at, key
      limit $3
      for update skip locked
    )
    update vecpipe.queue q set
      lease_token = $4::uuid,
      lease_until = now() + $5::float8 * interval '1 millisecond',
      lease_run = $6::uuid,
      attempts = q.attempts + 1,
      unconfirmed = true
    from picked
    where q.tenant = $1 and q.entity = $2 and q.building = $10 and q.key = picked.key
      -- Says nothing new, but keeps the planner from walking the whole queue for each row (see record-batch.ts).
      and q.key = any (array(select key from picked))
    returning q.key, q.operation, q.version, q.attempts, picked.unconfirmed, picked."availableAtMicros"`,
    [
      tenant,
      entity,
      limit,
      leaseToken,
      leaseMs,
      runId,
      after?.availableAtMicros ?? 0,
      after?.key ?? '',
      only ?? null,
      building,
      generationId ?? null,
    ],
    { timeLimitMs: SHORT_STATEMENT_MS, ...options },
  );
  if (rows.length === 0) return null;
  const last = rows.reduce((one, other) => (isBehind(one, other) ? one : other));
  return {
    tenant,
    entity,
    building,
    leaseToken,
    runId,
    rows: rows.map(claimedRow).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    last: { availableAtMicros: last.availableAtMicros, key: last.key },
    leaseValidUntil,
  };
}

function claimedRow({ key, operation, version, attempts, unconfirmed }: ClaimedRow): ClaimedRow {
  return { key, operation, version, attempts, unconfirmed };
}

/** In the order of the queue, in which keys are compared by their bytes. */
function isBehind(one: QueuePlace, other: QueuePlace): boolean {
  const laterMicros = one.availableAtMicros - other.availableAtMicros;
  return (
    laterMicros > 0 || (laterMicros === 0 && Buffer.compare(Buffer.from(one.key), Buffer.from(other.key)) > 0)
  );
}
