import { describe, expect, it } from 'vitest';
import { agreementOf, overlapOf, ownRowOf, spreadOf } from './measures.ts';
import type { Ranking } from './nearest-rows.ts';

/** Rows best first; scores fall by a tenth from 0.9. */
const ranking = (...rows: number[]): Ranking => rows.map((row, rank) => ({ row, score: (9 - rank) / 10 }));

describe('overlap', () => {
  it('is the common share of the longer list, whatever the order', () => {
    expect(overlapOf(ranking(1, 2, 3, 4), ranking(4, 3, 9, 1))).toBe(0.75);
    expect(overlapOf(ranking(1, 2), ranking(2, 1))).toBe(1);
    expect(overlapOf(ranking(1, 2), ranking(3, 4))).toBe(0);
    expect(overlapOf(ranking(1, 2, 3, 4), ranking(1, 2))).toBe(0.5);
    expect(overlapOf(ranking(1, 2), ranking())).toBe(0);
    expect(overlapOf(ranking(), ranking())).toBeNull();
  });
});

describe('agreement', () => {
  it('is a mean over the queries that both answered', () => {
    const baseline = [ranking(1, 2, 3, 4), ranking(5, 6, 7, 8), null, ranking(1, 2, 3, 4)];
    const other = [ranking(2, 1, 3, 9), ranking(5, 6, 7, 8), ranking(1, 2, 3, 4), null];
    expect(agreementOf(baseline, other)).toEqual({
      queries: 2,
      overlap: (0.75 + 1) / 2,
      sameFirst: 0.5,
      // Common rows 2, 1, 3 moved by 1, 1, 0, the four of the second query not at all.
      rankShift: 2 / 7,
    });
  });

  it('is unknown, and not perfect, where there is nothing to compare', () => {
    const nothing = { queries: 0, overlap: null, sameFirst: null, rankShift: null };
    expect(agreementOf([null, ranking(1)], [ranking(1), null])).toEqual(nothing);
    expect(agreementOf([], [])).toEqual(nothing);
    expect(agreementOf([ranking()], [ranking()])).toEqual(nothing);
    expect(agreementOf([ranking(1, 2)], [ranking(3, 4)])).toEqual({
      queries: 1,
      overlap: 0,
      sameFirst: 0,
      rankShift: null,
    });
  });
});

describe('score spread', () => {
  it('is within each query, and not between them', () => {
    const near = [0.9, 0.7].map((score, row) => ({ row, score }));
    const far = [0.3, 0.1].map((score, row) => ({ row, score }));
    const spread = spreadOf([near, null, far, []]);
    expect(spread?.mean).toBeCloseTo(0.5, 12);
    expect(spread?.standardDeviation).toBeCloseTo(0.1, 12);
    expect(spread?.gap).toBeCloseTo(0.2, 12);
    expect(spreadOf([null, []])).toBeNull();
  });
});

describe('the own row', () => {
  it('counts refused queries and rows that are not found as misses', () => {
    const wanted = [[1], [2], [3], [4, 5], null];
    const rankings = [ranking(1, 9), ranking(8, 2), null, ranking(7, 6), ranking(1)];
    expect(ownRowOf(wanted, rankings)).toEqual({ first: 0.25, inTop: 0.5, reciprocalRank: 1.5 / 4 });
  });

  it('is found when any of several rows with that label is', () => {
    expect(ownRowOf([[4, 5]], [ranking(9, 5, 4)])).toEqual({ first: 0, inTop: 1, reciprocalRank: 0.5 });
  });

  it('is unknown when nobody knows it', () => {
    expect(ownRowOf([null, null], [ranking(1), ranking(2)])).toBeNull();
  });
});
