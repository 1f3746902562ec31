import { chunksOf } from '../pipeline/chunks-of.ts';
import { prepareRow } from '../pipeline/prepare-row.ts';
import type { PreparedRow } from '../pipeline/prepare-row.ts';
import type { StoredPoint } from '../ports/vector-store.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import type { Adoption } from './adoption.ts';
import { readKey } from './key-field.ts';

/** A foreign point and what it is to vecpipe. */
export type MatchedPoint =
  /** Stands for the whole text of a row. */
  | { kind: 'row'; point: StoredPoint; row: PreparedRow }
  | { kind: 'withoutRow' | 'unfit' }
  /** Its row is recorded as stored already: by an earlier point, or by a run that was interrupted. */
  | { kind: 'recorded' };

/**
 * Finds the rows that points name, and renders them.
 * @param generationId what is recorded for it counts as stored; null for nothing
 * @returns one match a point, in the order of `points`
 */
export async function matchPoints(
  adoption: Adoption,
  points: readonly StoredPoint[],
  generationId: number | null,
): Promise<MatchedPoint[]> {
  const { database, source, keyField, options } = adoption;
  const keys = points.map(({ payload }) => readKey(payload, keyField));
  const wanted = [...new Set(keys.filter((key) => key !== null))];
  const loaded = await loadRows(database, source, generationId, wanted, options);
  const rows = new Map(loaded.map((row) => [row.key, row]));
  return points.map((point, index) => {
    const row = rows.get(keys[index] ?? '');
    if (keys[index] === null || !row || (row.values === null && !row.duplicate))
      return { kind: 'withoutRow' };
    if (row.recorded !== null) return { kind: 'recorded' };
    const claimed = { operation: 'upsert', version: 1, attempts: 1, unconfirmed: false } as const;
    const decision = prepareRow(source, { key: row.key, ...claimed }, row);
    if (decision.action !== 'embed' || !isOneChunk(adoption, decision.row)) return { kind: 'unfit' };
    return { kind: 'row', point, row: decision.row };
  });
}

function isOneChunk({ provider, settings }: Adoption, { text }: PreparedRow): boolean {
  return chunksOf(text, provider.tokenizer, settings.chunking).length === 1;
}
