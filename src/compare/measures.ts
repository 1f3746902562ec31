import type { Ranking } from './nearest-rows.ts';

/** How far a variant's answers are from the baseline's, over the queries that both answered. */
export interface Agreement {
  /** Queries that both answered and for which one of them found a row. */
  queries: number;
  /** See {@link overlapOf}, mean over the queries; null without one. */
  overlap: number | null;
  /** Share of the queries with the same row at rank 1; null without a query. */
  sameFirst: number | null;
  /**
   * Ranks that a row has moved, up or down: mean of |rank − rank in the baseline| over all rows that both rankings
   * of a query have. Null when there is none. Spearman's footrule on the common part of two top lists (Fagin,
   * Kumar, Sivakumar: Comparing top k lists, 2003), as a mean.
   */
  rankShift: number | null;
}

/** What is in the scores of one variant. Models differ in scale: not to be compared between models. */
export interface ScoreSpread {
  /** Mean over the queries of the mean score in the top k. */
  mean: number;
  /** Mean over the queries of the population standard deviation of the scores in the top k. */
  standardDeviation: number;
  /** Mean over the queries of the first score minus the last one in the top k. */
  gap: number;
}

/** How well queries find the row that they were made of. A query that the provider refused has not found it. */
export interface OwnRow {
  /** Share of the queries with a wanted row at rank 1. */
  first: number;
  /** Share of the queries with a wanted row in the top k. */
  inTop: number;
  /**
   * Mean of 1 / rank of the first wanted row, 0 where the top k has none: mean reciprocal rank (Voorhees: The
   * TREC-8 question answering track report, 1999), cut at k.
   */
  reciprocalRank: number;
}

/**
 * overlap@k: rows that both rankings have, as a share of the k that they could have in common, where k is the
 * length of the longer one; the order does not count. Null when both are empty. The share at one depth of Webber,
 * Moffat, Zobel: A similarity measure for indefinite rankings, 2010.
 */
export function overlapOf(baseline: Ranking, other: Ranking): number | null {
  const longer = Math.max(baseline.length, other.length);
  if (longer === 0) return null;
  const rows = new Set(baseline.map(({ row }) => row));
  return other.filter(({ row }) => rows.has(row)).length / longer;
}

/** @param baseline rankings by query, in the same order as `other`; null where there is none */
export function agreementOf(
  baseline: readonly (Ranking | null)[],
  other: readonly (Ranking | null)[],
): Agreement {
  const overlaps: number[] = [];
  const shifts: number[] = [];
  let sameFirst = 0;
  baseline.forEach((before, query) => {
    const after = other[query] ?? null;
    const overlap = before === null || after === null ? null : overlapOf(before, after);
    if (before === null || after === null || overlap === null) return;
    overlaps.push(overlap);
    if (before[0]?.row === after[0]?.row) sameFirst += 1;
    const ranks = new Map(before.map(({ row }, rank) => [row, rank]));
    after.forEach(({ row }, rank) => {
      const earlier = ranks.get(row);
      if (earlier !== undefined) shifts.push(Math.abs(rank - earlier));
    });
  });
  return {
    queries: overlaps.length,
    overlap: mean(overlaps),
    sameFirst: overlaps.length === 0 ? null : sameFirst / overlaps.length,
    rankShift: mean(shifts),
  };
}

/** @returns null when no query found a row */
export function spreadOf(rankings: readonly (Ranking | null)[]): ScoreSpread | null {
  const answered = rankings.filter((ranking) => ranking !== null && ranking.length > 0);
  const spreads = answered.map((ranking) => {
    const scores = (ranking ?? []).map(({ score }) => score);
    const average = mean(scores) ?? 0;
    const variance = mean(scores.map((score) => (score - average) ** 2)) ?? 0;
    return { average, deviation: Math.sqrt(variance), gap: (scores[0] ?? 0) - (scores.at(-1) ?? 0) };
  });
  const average = mean(spreads.map((spread) => spread.average));
  if (average === null) return null;
  return {
    mean: average,
    standardDeviation: mean(spreads.map((spread) => spread.deviation)) ?? 0,
    gap: mean(spreads.map((spread) => spread.gap)) ?? 0,
  };
}

/**
 * @param wanted rows that each query should find; null where nobody knows them
 * @returns null when nobody knows them of any query
 */
export function ownRowOf(
  wanted: readonly (readonly number[] | null)[],
  rankings: readonly (Ranking | null)[],
): OwnRow | null {
  const ranks: number[] = [];
  wanted.forEach((rows, query) => {
    if (rows === null) return;
    ranks.push((rankings[query] ?? []).findIndex(({ row }) => rows.includes(row)) + 1);
  });
  const reciprocalRank = mean(ranks.map((rank) => (rank === 0 ? 0 : 1 / rank)));
  if (reciprocalRank === null) return null;
  const share = (isMet: (rank: number) => boolean) =>
    ranks.filter((rank) => isMet(rank)).length / ranks.length;
  return { first: share((rank) => rank === 1), inTop: share((rank) => rank > 0), reciprocalRank };
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
