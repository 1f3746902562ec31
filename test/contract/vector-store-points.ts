import { createHash } from 'node:crypto';
import type { Payload, Point, PointFilter, PointIdentity } from '../../src/ports/vector-store.ts';

/** Spread over all UUIDs, so that ids are in no order. */
export function uuidOf(index: number): string {
  const hex = createHash('sha256').update(String(index)).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/** A point of four dimensions, whose direction depends on the index. */
export function makePoint(
  index: number,
  fields: Record<string, unknown> = {},
  identity: Partial<PointIdentity> = {},
): Point {
  const payload = {
    ...fields,
    vecpipe: {
      tenant: '1',
      entity: 'projects',
      key: String(index),
      label: `VEC-${index}`,
      chunk: 0,
      hash: 'hash',
      fingerprint: 'fingerprint',
      ...identity,
    },
  } as Payload;
  return { id: uuidOf(index), vector: Float32Array.of(Math.cos(index), Math.sin(index), 0, 0), payload };
}

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Of unit length, in any direction with the same chance (Box and Muller). */
export function randomVector(random: () => number, dimensions: number): Float32Array {
  const vector = Float32Array.from(
    { length: dimensions },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** Every point that the filter lets through, best first, computed here in doubles. */
export function nearestByHand(
  points: readonly Point[],
  query: Float32Array,
  filter?: PointFilter,
): { id: string; score: number }[] {
  return points
    .filter(({ payload }) =>
      (filter?.must ?? []).every(({ field, anyOf }) =>
        anyOf.some((value) => value === valueAt(payload, field)),
      ),
    )
    .map(({ id, vector }) => ({ id, score: cosine(vector, query) }))
    .toSorted((one, other) => other.score - one.score);
}

function valueAt(payload: Payload, field: string): unknown {
  return field
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], payload);
}

function cosine(one: Float32Array, other: Float32Array): number {
  const dot = one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0);
  return dot / Math.hypot(...one) / Math.hypot(...other);
}
