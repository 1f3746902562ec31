import { describe, expect, it } from 'vitest';
import { NearestRows } from './nearest-rows.ts';

/** Numbers that look random and are the same every time. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 30 - 1;
  });
}

function cosine(one: Float32Array, other: Float32Array): number {
  const dot = one.reduce((sum, value, at) => sum + value * other[at]!, 0);
  return dot / (Math.hypot(...one) * Math.hypot(...other));
}

describe('the nearest rows', () => {
  it('are those of a comparison of every query with every chunk', async () => {
    const queries = [1, 2, 3].map((seed) => numbers(16, seed));
    // Lengths other than 1, and one to three chunks a row.
    const rows = Array.from({ length: 60 }, (_none, row) =>
      Array.from({ length: 1 + (row % 3) }, (_each, chunk) => numbers(16, 100 + row * 3 + chunk)),
    );
    const nearest = new NearestRows(queries, 16, 7);
    for (const [row, chunks] of rows.entries()) await nearest.add(row, chunks, undefined);
    const expected = queries.map((query) =>
      rows
        .map((chunks, row) => ({ row, score: Math.max(...chunks.map((chunk) => cosine(query, chunk))) }))
        .toSorted((a, b) => b.score - a.score)
        .slice(0, 7),
    );
    const rankings = nearest.rankings();
    expect(rankings.map((ranking) => ranking?.map(({ row }) => row))).toEqual(
      expected.map((ranking) => ranking.map(({ row }) => row)),
    );
    rankings.forEach((ranking, query) =>
      ranking?.forEach(({ score }, rank) => expect(score).toBeCloseTo(expected[query]![rank]!.score, 5)),
    );
  });

  it('stand in the order in which they came where scores are equal', async () => {
    const vector = numbers(4, 5);
    const nearest = new NearestRows([vector], 4, 3);
    for (const row of [8, 2, 5, 1]) await nearest.add(row, [vector], undefined);
    expect(nearest.rankings()[0]?.map(({ row }) => row)).toEqual([8, 2, 5]);
  });

  it('include rows that point away from the query', async () => {
    const nearest = new NearestRows([Float32Array.of(1, 0)], 2, 2);
    await nearest.add(0, [Float32Array.of(-1, 0)], undefined);
    await nearest.add(1, [Float32Array.of(-1, 1)], undefined);
    expect(nearest.rankings()).toEqual([
      [
        { row: 1, score: expect.closeTo(-Math.SQRT1_2, 5) as number },
        { row: 0, score: -1 },
      ],
    ]);
  });

  it('are none for a query without a vector', async () => {
    const nearest = new NearestRows([null, Float32Array.of(1, 0)], 2, 2);
    await nearest.add(3, [Float32Array.of(2, 0)], undefined);
    expect(nearest.rankings()).toEqual([null, [{ row: 3, score: 1 }]]);
  });

  it('are given up when the run is stopped', async () => {
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    const nearest = new NearestRows(
      Array.from({ length: 200 }, (_none, seed) => numbers(64, seed)),
      64,
      2,
    );
    const adding = async () => {
      for (let row = 0; row < 100_000; row += 1) await nearest.add(row, [numbers(64, row)], stop.signal);
    };
    await expect(adding()).rejects.toThrow('stopped');
  });
});
