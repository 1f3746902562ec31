import { retryConflicts } from '../db/retry-conflicts.ts';
import type { Generation } from '../pipeline/generation.ts';
import { pointId } from '../pipeline/point-id.ts';
import { pointPayload } from '../pipeline/prepare-row.ts';
import type { PreparedRow } from '../pipeline/prepare-row.ts';
import { recordedPoints } from '../pipeline/recorded-points.ts';
import { SHORT_STATEMENT_MS } from '../ports/database.ts';
import type { StoredPoint } from '../ports/vector-store.ts';
import type { Adoption, PointCounts } from './adoption.ts';
import { matchPoints } from './match-points.ts';
import type { MatchedPoint } from './match-points.ts';

/** Points that are in memory at once, with their payloads and vectors. */
const PAGE_POINTS = 500;

interface Copied {
  row: PreparedRow;
  vector: Float32Array;
}

/**
 * Reads all points, page by page, and copies those that stand for a row under vecpipe's ids; each page is recorded once
 * it is stored. Of several points of one row the first is taken. May be repeated after a crash at any place.
 * @param generation where to; null: only count
 * @param skipped keys of rows whose points are not to be trusted
 */
export async function copyPoints(
  adoption: Adoption,
  generation: Generation | null,
  skipped: ReadonlySet<string>,
): Promise<PointCounts> {
  const { store, adopted, report, options } = adoption;
  const { tenant } = adoption.source;
  const entity = adoption.source.entity.name;
  // A point a row.
  const before =
    generation === null ? 0 : await recordedPoints(adoption.database, generation.id, tenant, entity, options);
  const total = await store.count(adopted, options);
  const counts = { points: 0, withoutRow: 0, unfit: 0, disagreeing: 0 };
  let recorded = 0;
  let fresh = 0;
  for await (const page of pagesOf(adoption, generation !== null)) {
    const matches = await matchPoints(adoption, page, generation?.id ?? null);
    const rows = new Map<string, Copied>();
    for (const match of matches) {
      if (match.kind === 'recorded') recorded += 1;
      else if (match.kind !== 'row') counts[match.kind] += 1;
      else if (skipped.has(match.row.claimed.key)) counts.disagreeing += 1;
      else if (rows.has(match.row.claimed.key)) recorded += 1;
      else addRow(rows, match, generation !== null, counts);
    }
    if (generation !== null) await storePage(adoption, generation, [...rows.values()]);
    fresh += rows.size;
    counts.points += page.length;
    report({ type: 'progress', done: counts.points, total: Math.max(total, counts.points) });
  }
  // Each row that an earlier run has copied is met once more, at the point that it was copied from.
  const duplicates = generation === null ? null : Math.max(0, recorded - before);
  return { ...counts, copied: before + fresh, duplicates };
}

function addRow(
  rows: Map<string, Copied>,
  { point: { vector }, row }: Extract<MatchedPoint, { kind: 'row' }>,
  needsVector: boolean,
  counts: { unfit: number },
): void {
  // A point may have no vector, and one of zeros points nowhere.
  if (needsVector && !vector?.some((value) => value !== 0)) counts.unfit += 1;
  else rows.set(row.claimed.key, { row, vector: vector ?? new Float32Array() });
}

async function* pagesOf(
  { store, adopted, options }: Adoption,
  withVectors: boolean,
): AsyncGenerator<StoredPoint[]> {
  for (let after: string | undefined; ;) {
    const page = await store.scroll(adopted, {
      limit: PAGE_POINTS,
      withVectors,
      ...(after !== undefined && { after }),
      ...options,
    });
    if (page.length > 0) yield page;
    after = page.at(-1)?.id;
    if (page.length < PAGE_POINTS) return;
  }
}

async function storePage(
  adoption: Adoption,
  generation: Generation,
  copied: readonly Copied[],
): Promise<void> {
  if (copied.length === 0) return;
  const { store, source, report, options } = adoption;
  const points = copied.map(({ row, vector }) => ({
    id: pointId(source.tenant, source.entity.name, row.claimed.key, 0),
    vector,
    payload: pointPayload(source, row, 0, generation.fingerprint),
  }));
  await store.upsert(generation.physical, points, options);
  for (const { id } of points) report({ type: 'stored', pointId: id, collection: generation.collection });
  await record(adoption, generation, copied);
}

/** In the order of their keys, as every other writer does. */
async function record(
  { database, source, options }: Adoption,
  generation: Generation,
  copied: readonly Copied[],
): Promise<void> {
  const rows = copied.map(({ row }) => row);
  await retryConflicts(
    () =>
      database.query(
        `insert into vecpipe.vector_state
          (generation_id, tenant, entity, key, row_hash, text_hash, payload_hash, chunks)
        select $1::int8, $2, $3, key, decode(row_hash, 'hex'), text_hash, payload_hash, 1
        from unnest($4::text[], $5::text[], $6::text[], $7::text[])
          as r(key, row_hash, text_hash, payload_hash)
        order by key collate "C"
        on conflict (generation_id, tenant, entity, key) do nothing`,
        [
          generation.id,
          source.tenant,
          source.entity.name,
          rows.map(({ claimed }) => claimed.key),
          rows.map(({ rowHash }) => rowHash),
          rows.map(({ textHash }) => textHash),
          rows.map(({ payloadHash }) => payloadHash),
        ],
        { ...options, timeLimitMs: SHORT_STATEMENT_MS },
      ),
    options,
  );
}
