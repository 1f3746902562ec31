import type { CallOptions, Queryable } from '../ports/database.ts';

const PAGE_ROWS = 5_000;
/** Generations are numbered from 1. */
const NO_GENERATION = 0;

/** What is recorded of a row that has points. */
export interface RecordedRow {
  key: string;
  textHash: string;
  chunks: number;
}

interface Place {
  generationId: number;
  tenant: string;
  entity: string;
}

/** The rows of one tenant that have points, in pages in key order; the next one is read while one is looked at. */
export async function* recordedRows(
  database: Queryable,
  place: Place,
  options: CallOptions,
): AsyncGenerator<RecordedRow[]> {
  let next: Promise<RecordedRow[]> | null = readPage(database, place, '', options);
  try {
    while (next !== null) {
      const page: RecordedRow[] = await next;
      const last = page.at(-1);
      next = last && page.length === PAGE_ROWS ? readPage(database, place, last.key, options) : null;
      if (page.length > 0) yield page;
    }
  } finally {
    await next?.catch(() => {});
  }
}

function readPage(
  database: Queryable,
  { generationId, tenant, entity }: Place,
  after: string,
  options: CallOptions,
): Promise<RecordedRow[]> {
  const page = database
    .query<RecordedRow>(
      `select key, text_hash as "textHash", chunks from vecpipe.vector_state
      where generation_id = $1 and tenant = $2 and entity = $3 and key > $4 and chunks > 0
      order by key limit $5`,
      [generationId, tenant, entity, after, PAGE_ROWS],
      options,
    )
    .then(({ rows }) => rows);
  // It is awaited later, and must not count as unhandled until then.
  page.catch(() => {});
  return page;
}

/** Every tenant that something is recorded for, found by the index alone. */
export async function recordedTenants(
  database: Queryable,
  generationId: number,
  options: CallOptions,
): Promise<string[]> {
  const { rows } = await database.query<{ tenant: string }>(
    `with recursive tenants as (
      (select tenant from vecpipe.vector_state where generation_id = $1 order by tenant limit 1)
      union all
      select (
        select v.tenant from vecpipe.vector_state v
        where v.generation_id = $1 and v.tenant > tenants.tenant order by v.tenant limit 1
      ) from tenants where tenants.tenant is not null
    )
    select tenant from tenants where tenant is not null`,
    [generationId],
    options,
  );
  return rows.map(({ tenant }) => tenant);
}

/** Names a row, whether it is there or not. */
export interface RowName {
  tenant: string;
  entity: string;
  key: string;
}

/** What the database knows of a row at one moment. */
export interface RowKnowledge {
  /** It is in the queue of the live generation: whatever is wrong with it is going to be put right. */
  isQueued: boolean;
  /** Somebody's points: something is recorded for its tenant and entity. */
  isOwned: boolean;
  /** Null where nothing is recorded. */
  recorded: { rowHash: string | null; textHash: string; chunks: number; storedAtMicros: number } | null;
}

interface KnowledgeRow {
  isQueued: boolean;
  isOwned: boolean;
  isLive: boolean;
  rowHash: string | null;
  textHash: string | null;
  chunks: number | null;
  storedAtMicros: number | null;
}

/** Thrown when another generation became live while one was looked at. */
export class GenerationMovedError extends Error {
  override readonly name = 'GenerationMovedError';
}

/**
 * Record and queue of rows, and whether the generation is still the live one, in one statement.
 * @param generationId null where there is none, and so nothing recorded
 * @returns one entry a row, in the order of `rows`
 * @throws {GenerationMovedError}
 */
export async function readKnowledge(
  database: Queryable,
  generationId: number | null,
  rows: readonly RowName[],
  options: CallOptions,
): Promise<RowKnowledge[]> {
  if (rows.length === 0) return [];
  const { rows: found } = await database.query<KnowledgeRow>(
    `select q.key is not null as "isQueued",
      exists (select from vecpipe.vector_state o
        where o.generation_id = $1 and o.tenant = wanted.tenant and o.entity = wanted.entity) as "isOwned",
      exists (select from vecpipe.generations where id = $1 and status = 'live') as "isLive",
      encode(v.row_hash, 'hex') as "rowHash", v.text_hash as "textHash", v.chunks,
      (extract(epoch from v.stored_at) * 1000000)::int8 as "storedAtMicros"
    from unnest($2::text[], $3::text[], $4::text[]) with ordinality as wanted(tenant, entity, key, ordinal)
    left join lateral (
      -- offset 0 keeps it a look-up each, whatever the planner knows of the tables.
      select row_hash, text_hash, chunks, stored_at from vecpipe.vector_state
      where generation_id = $1 and tenant = wanted.tenant and entity = wanted.entity and key = wanted.key offset 0
    ) v on true
    left join lateral (
      select key from vecpipe.queue
      where tenant = wanted.tenant and entity = wanted.entity and building = 0 and key = wanted.key offset 0
    ) q on true
    order by wanted.ordinal`,
    [
      generationId ?? NO_GENERATION,
      rows.map((row) => row.tenant),
      rows.map((row) => row.entity),
      rows.map((row) => row.key),
    ],
    options,
  );
  if (generationId !== null && found.some(({ isLive }) => !isLive)) throw new GenerationMovedError();
  return found.map(({ isQueued, isOwned, rowHash, textHash, chunks, storedAtMicros }) => ({
    isQueued,
    isOwned,
    recorded:
      textHash === null
        ? null
        : { rowHash, textHash, chunks: chunks ?? 0, storedAtMicros: storedAtMicros ?? 0 },
  }));
}

/** Whether a row was at rest from one reading to another: neither queued nor recorded anew. */
export function wasAtRest(before: RowKnowledge | undefined, after: RowKnowledge | undefined): boolean {
  if (!before || !after || before.isQueued || after.isQueued) return false;
  const [one, other] = [before.recorded, after.recorded];
  if (one === null || other === null) return one === other;
  return (
    one.storedAtMicros === other.storedAtMicros &&
    one.textHash === other.textHash &&
    one.chunks === other.chunks &&
    one.rowHash === other.rowHash
  );
}
