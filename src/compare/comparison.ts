import { agreementOf, overlapOf, ownRowOf, spreadOf } from './measures.ts';
import type { Agreement, OwnRow, ScoreSpread } from './measures.ts';
import type { Query } from './queries.ts';
import type { Sample } from './sample.ts';
import type { FailedVariant, VariantResult } from './variant-result.ts';

/** Everything that was found out, as `--json` prints it. No row's text is in it: labels and keys only. */
export interface Comparison {
  tenant: string;
  entity: string;
  /** Rows of the tenant. */
  rows: number;
  /** Rows of the sample. */
  sampled: number;
  seed: number;
  /** Neighbours a query. */
  top: number;
  queriesFrom: 'labels' | 'file';
  /** The first is the baseline. */
  variants: ComparedVariant[];
  queries: ComparedQuery[];
  failed: { name: string; provider: string; template: string; code: string; message: string }[];
}

export interface ComparedVariant {
  /** What sets it apart from the others. */
  name: string;
  provider: string;
  template: string;
  kind: string;
  model: string;
  dimensions: number;
  /** Rows that got vectors, and why others did not: no text, an error of the row, refused by the provider. */
  rows: { embedded: number; withoutText: number; failed: number; refused: number };
  refusedQueries: number;
  /** Texts embedded for the rows: chunks. */
  texts: number;
  /** Used for the rows, equal texts once. */
  tokens: number;
  queryTokens: number;
  /** Money, in the config's currency; null where the provider has no price. */
  pricePerMillionTokens: number | null;
  /** For the tokens of rows and queries of this comparison. */
  price: number | null;
  /** For all rows of the tenant, if they are like those of the sample. */
  estimatedPriceOfAllRows: number | null;
  openMs: number;
  /** Embedded, in the provider alone; null when no row was. */
  rowsPerSecond: number | null;
  /** Median of queries in a call of their own. */
  queryMs: number | null;
  /** Null for the baseline. */
  againstBaseline: Agreement | null;
  /** Null when the queries are the user's own. */
  ownRow: OwnRow | null;
  /** Null when nothing was found. */
  scores: ScoreSpread | null;
}

export interface ComparedQuery {
  text: string;
  /** By variant, in their order; null where the provider refused the query. */
  answers: (ComparedAnswer | null)[];
}

export interface ComparedAnswer {
  /** With the baseline's; null for the baseline itself, and where that one has no answer. */
  overlap: number | null;
  /** Best first. */
  neighbours: ComparedNeighbour[];
}

export interface ComparedNeighbour {
  key: string;
  label: string;
  score: number;
  /** From 1, among the baseline's neighbours; null when it is not among them, or there is no such answer. */
  baselineRank: number | null;
  /** A row that the query was made of. */
  isWanted: boolean;
}

export interface ComparedParts {
  tenant: string;
  entity: string;
  seed: number;
  top: number;
  queriesFrom: 'labels' | 'file';
  sample: Sample;
  queries: readonly Query[];
  /** The first is the baseline. */
  results: readonly VariantResult[];
  failed: readonly FailedVariant[];
}

/** Puts the results of the variants beside the first one's. */
export function comparisonOf(parts: ComparedParts): Comparison {
  const { tenant, entity, seed, top, queriesFrom, sample, results, failed } = parts;
  return {
    tenant,
    entity,
    rows: sample.total,
    sampled: sample.rows.length,
    seed,
    top,
    queriesFrom,
    variants: results.map((result) => variantOf(result, parts)),
    queries: parts.queries.map((query, index) => queryOf(query, index, parts)),
    failed: failed.map(({ variant, error: { code, message } }) => ({
      name: variant.name,
      provider: variant.provider.name,
      template: variant.template.name,
      code,
      message,
    })),
  };
}

function variantOf(result: VariantResult, { results, queries, sample }: ComparedParts): ComparedVariant {
  const [baseline] = results;
  const { provider, template, name } = result.variant;
  const { rows, refused, withoutText, failed, texts, tokens, embedMs } = result.sample;
  const price = provider.pricePerMillionTokens;
  const priceOf = (count: number) => (price === null ? null : (count * price) / 1_000_000);
  return {
    name,
    provider: provider.name,
    template: template.name,
    kind: result.kind,
    model: result.modelId,
    dimensions: result.dimensions,
    rows: { embedded: rows, withoutText, failed, refused },
    refusedQueries: result.rankings.filter((ranking) => ranking === null).length,
    texts,
    tokens,
    queryTokens: result.queries.tokens,
    pricePerMillionTokens: price,
    price: priceOf(tokens + result.queries.tokens),
    estimatedPriceOfAllRows: priceOf((tokens * sample.total) / sample.rows.length),
    openMs: result.openMs,
    rowsPerSecond: rows === 0 ? null : (rows * 1000) / Math.max(embedMs, 0.001),
    queryMs: result.queries.medianMs,
    againstBaseline:
      baseline === undefined || baseline === result ? null : agreementOf(baseline.rankings, result.rankings),
    ownRow: ownRowOf(
      queries.map(({ wanted }) => wanted),
      result.rankings,
    ),
    scores: spreadOf(result.rankings),
  };
}

function queryOf({ text, wanted }: Query, index: number, { results, sample }: ComparedParts): ComparedQuery {
  const [baseline] = results;
  const before = baseline?.rankings[index] ?? null;
  const ranks = new Map(before?.map(({ row }, at) => [row, at + 1]));
  const answers = results.map((result): ComparedAnswer | null => {
    const ranking = result.rankings[index] ?? null;
    if (ranking === null) return null;
    return {
      overlap: before === null || result === baseline ? null : overlapOf(before, ranking),
      neighbours: ranking.map(({ row, score }) => ({
        key: sample.rows[row]?.key ?? '',
        label: sample.rows[row]?.label ?? '',
        score,
        baselineRank: ranks.get(row) ?? null,
        isWanted: wanted?.includes(row) ?? false,
      })),
    };
  });
  return { text, answers };
}
