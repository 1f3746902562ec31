import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { staticConfig } from '../../test/helpers/provider-configs.ts';
import { comparisonOf } from './comparison.ts';
import type { ComparedParts, Comparison } from './comparison.ts';
import { comparisonPage, PAGE_MARK } from './comparison-page.ts';
import { unavailableError } from '../errors/vecpipe-error.ts';
import { measureTable } from './measure-table.ts';
import type { Ranking } from './nearest-rows.ts';
import type { VariantResult } from './variant-result.ts';

const HOSTILE = `<img src=x onerror="alert(1)">`;
const LABELS = ['PAY', HOSTILE, 'MOB', 'OPS', 'WEB'];

const ranking = (...rows: number[]): Ranking => rows.map((row, rank) => ({ row, score: 0.9 - rank / 10 }));

function result(name: string, price: number | null, rankings: (Ranking | null)[]): VariantResult {
  return {
    variant: {
      name,
      provider: staticConfig({ name, pricePerMillionTokens: price }),
      template: { name: 'own', text: null },
    },
    kind: 'static',
    modelId: `model of ${name}`,
    dimensions: 2,
    openMs: 1500,
    queries: { tokens: 100, medianMs: 2.5 },
    sample: {
      rows: 5,
      refused: 0,
      texts: 7,
      tokens: 400,
      embedMs: 10,
      withoutText: 0,
      failed: 0,
      digest: '',
    },
    rankings,
  };
}

const parts: ComparedParts = {
  tenant: '1',
  entity: 'projects',
  seed: 1,
  top: 3,
  queriesFrom: 'labels',
  sample: {
    total: 50,
    rows: LABELS.map((label, index) => ({ key: `key-${index}`, label })),
    withText: [0, 1, 2, 3, 4],
    digest: '',
  },
  queries: [
    { text: 'PAY', wanted: [0] },
    { text: HOSTILE, wanted: [1] },
    { text: 'refused', wanted: [4] },
  ],
  results: [
    result('before', null, [ranking(0, 1, 2), ranking(1, 2, 3), ranking(4, 0, 1)]),
    result('after & new', 20, [ranking(0, 1, 2), ranking(2, 1, 4), null]),
  ],
  failed: [
    {
      variant: {
        name: 'gone',
        provider: staticConfig({ name: 'gone' }),
        template: { name: 'own', text: null },
      },
      error: unavailableError('gateway_down', 'the gateway <x> is down'),
    },
  ],
};
const comparison: Comparison = comparisonOf(parts);
const page = comparisonPage(comparison, new Date('2026-05-04T03:02:01Z'));

describe('a comparison', () => {
  it('puts every variant beside the first', () => {
    const [before, after] = comparison.variants;
    expect(before).toMatchObject({ againstBaseline: null, price: null, estimatedPriceOfAllRows: null });
    expect(after).toMatchObject({
      againstBaseline: { queries: 2, overlap: (1 + 2 / 3) / 2, sameFirst: 0.5, rankShift: 2 / 5 },
      ownRow: { first: 1 / 3, inTop: 2 / 3, reciprocalRank: 0.5 },
      refusedQueries: 1,
      rowsPerSecond: 500,
      queryMs: 2.5,
      // 500 tokens here; 400 for a tenth of the rows.
      price: 0.01,
      estimatedPriceOfAllRows: 0.08,
    });
    expect(comparison.queries[1]?.answers[1]).toEqual({
      overlap: 2 / 3,
      neighbours: [
        { key: 'key-2', label: 'MOB', score: 0.9, baselineRank: 2, isWanted: false },
        { key: 'key-1', label: HOSTILE, score: 0.8, baselineRank: 1, isWanted: true },
        {
          key: 'key-4',
          label: 'WEB',
          score: expect.closeTo(0.7) as number,
          baselineRank: null,
          isWanted: false,
        },
      ],
    });
    expect(comparison.queries[2]?.answers[1]).toBeNull();
    expect(comparison.failed).toEqual([
      {
        name: 'gone',
        provider: 'gone',
        template: 'own',
        code: 'gateway_down',
        message: 'the gateway <x> is down',
      },
    ]);
  });

  it('has no line in the table that would say nothing', () => {
    const names = measureTable(comparison).map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['overlap@3', 'own row first', 'queries refused', 'price', 'price of 50 rows']),
    );
    expect(names).not.toContain('rows refused');
    const free = comparisonOf({
      ...parts,
      queries: [{ text: 'mine', wanted: null }],
      results: [result('a', null, [ranking(1)]), result('b', null, [ranking(1)])],
    });
    const left = measureTable(free).map(({ name }) => name);
    for (const name of ['own row first', 'MRR@3', 'queries refused', 'price'])
      expect(left).not.toContain(name);
  });
});

describe('the page', () => {
  it('loads nothing and runs nothing, and its policy allows its own style alone', () => {
    expect(page).not.toMatch(
      /<(?:script|link|img|iframe|object|svg|base|form)\b|\bstyle="|\bon\w+="|url\(|@import/i,
    );
    expect(page).not.toMatch(/https?:/);
    const styles = [...page.matchAll(/<style>([^]*?)<\/style>/g)].map(([, style]) => style ?? '');
    expect(styles).toHaveLength(1);
    const hash = createHash('sha256').update(styles[0]!).digest('base64');
    expect(page).toContain(
      `content="default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"`,
    );
    // Before anything that the policy is about.
    expect(page.indexOf('Content-Security-Policy')).toBeLessThan(page.indexOf('<style>'));
    expect(page.slice(0, 1024)).toContain(PAGE_MARK);
  });

  it('escapes labels, queries, names and messages', () => {
    expect(page).not.toContain('<img');
    expect(page).not.toContain('<x>');
    expect(page).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;');
    expect(page).toContain('after &amp; new');
  });

  it('shows the queries that differ most first, and marks what has moved', () => {
    const summaries = [...page.matchAll(/<summary>\s*([^<]*?)\s*<small>overlap ([^<]*)</g)];
    expect(summaries.map(([, text, overlap]) => [text, overlap])).toEqual([
      ['&lt;img src=x onerror=&quot;alert(1)&quot;&gt;', '67 %'],
      ['PAY', '100 %'],
      ['refused', '-'],
    ]);
    const first = page.slice(page.indexOf('<details'), page.indexOf('</details>')).replaceAll(/\s+/g, ' ');
    const items = [...first.matchAll(/<li>(.*?)<\/li>/g)].map(([, item = '']) =>
      item
        .replaceAll(/<[^>]*>/g, '')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    );
    const escaped = '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;';
    expect(items).toEqual([
      `${escaped} key-1 0.900`,
      'MOB key-2 0.800',
      'OPS key-3 0.700',
      'MOB key-2 0.900 ↑1',
      `${escaped} key-1 0.800 ↓1`,
      'WEB key-4 0.700 new',
    ]);
    expect(first).toContain('Not among them any more: OPS');
    expect(page).toContain('The provider refused the query.');
  });
});
