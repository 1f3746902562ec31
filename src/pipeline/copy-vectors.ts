import type { Chunking } from '../entities/entity.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { Tokenizer } from '../ports/embedding-provider.ts';
import type { StoredPoint, VectorStore } from '../ports/vector-store.ts';
import { slices } from '../util/slices.ts';
import { chunksOf } from './chunks-of.ts';
import type { Generation } from './generation.ts';
import { pointId } from './point-id.ts';
import type { PreparedRow } from './prepare-row.ts';

/** Another generation of the same collection, whose vectors of equal texts are as good as bought ones. */
export interface CopySource {
  generation: Generation;
  /** As its texts were cut. */
  chunking: Chunking | null;
}

/** A row with the texts that it is to have vectors for. */
export interface RowTexts {
  row: PreparedRow;
  texts: readonly string[];
}

/**
 * The vectors that another generation holds for exactly these texts. What it holds is not believed by its record
 * alone: every point must be there, say that it is of the same text, and have a vector with a direction.
 * @returns by key, in the order of the row's texts; rows that are not all there are left out
 */
export async function copyVectors(
  { database, store }: { database: Database; store: VectorStore },
  { generation, chunking }: CopySource,
  { tenant, entity, tokenizer }: { tenant: string; entity: string; tokenizer: Tokenizer },
  wanted: readonly RowTexts[],
  options: CallOptions = {},
): Promise<ReadonlyMap<string, Float32Array[]>> {
  const recorded = await readRecorded(database, generation.id, tenant, entity, wanted, options);
  const alike = wanted.filter((each) =>
    hasSameTexts(each, recorded.get(each.row.claimed.key) ?? null, tokenizer, chunking),
  );
  const idsOf = ({ row, texts }: RowTexts) =>
    texts.map((_text, chunk) => pointId(tenant, entity, row.claimed.key, chunk));
  const points = new Map<string, StoredPoint>();
  for (const ids of slices(alike.flatMap(idsOf), store.maxBatchSize)) {
    const found = await store.retrieve(generation.physical, ids, { ...options, withVectors: true });
    for (const point of found) points.set(point.id, point);
  }
  const copied = new Map<string, Float32Array[]>();
  for (const each of alike) {
    const vectors = idsOf(each).flatMap((id) => usableVector(points.get(id), each.row, generation));
    if (vectors.length === each.texts.length) copied.set(each.row.claimed.key, vectors);
  }
  return copied;
}

/**
 * Whether a row is recorded elsewhere with exactly these texts.
 * @param chunking as they were cut there
 */
export function hasSameTexts(
  { row, texts }: RowTexts,
  recorded: { textHash: string; chunks: number } | null,
  tokenizer: Tokenizer,
  chunking: Chunking | null,
): boolean {
  if (recorded?.textHash !== row.textHash || recorded.chunks !== texts.length) return false;
  if (texts.length === 1) return true;
  const before = chunksOf(row.text, tokenizer, chunking);
  return before.length === texts.length && before.every((text, index) => text === texts[index]);
}

function usableVector(
  point: StoredPoint | undefined,
  row: PreparedRow,
  { fingerprint, dimensions }: Generation,
): Float32Array[] {
  const identity = point?.payload.vecpipe;
  if (identity?.hash !== row.textHash || identity.fingerprint !== fingerprint) return [];
  const { vector } = point ?? {};
  if (vector?.length !== dimensions) return [];
  const squares = vector.reduce((sum, value) => sum + value * value, 0);
  return Number.isFinite(squares) && squares > 0 ? [vector] : [];
}

async function readRecorded(
  database: Database,
  generationId: number,
  tenant: string,
  entity: string,
  wanted: readonly RowTexts[],
  options: CallOptions,
): Promise<ReadonlyMap<string, { textHash: string; chunks: number }>> {
  const { rows } = await database.query<{ key: string; textHash: string; chunks: number }>(
    `select key, text_hash as "textHash", chunks from vecpipe.vector_state
    where generation_id = $1 and tenant = $2 and entity = $3 and key = any ($4::text[])`,
    [generationId, tenant, entity, wanted.map(({ row }) => row.claimed.key)],
    options,
  );
  return new Map(rows.map((row) => [row.key, row]));
}
