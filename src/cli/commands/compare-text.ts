import type { Comparison } from '../../compare/comparison.ts';
import { queryCount, neighbours, share } from '../../compare/format.ts';
import { measureTable } from '../../compare/measure-table.ts';
import { oneLine, renderTable } from '../table.ts';

/** Queries shown, those whose answers differ most. */
const SHOWN_QUERIES = 5;

/** A comparison for a terminal: what was compared, the measures, and the queries that differ most. */
export function comparisonText(comparison: Comparison): string {
  const { variants } = comparison;
  const measures = renderTable(
    ['', ...variants.map(({ name }, index) => oneLine(index === 0 ? `${name} (baseline)` : name))],
    measureTable(comparison).map(({ name, cells }) => [name, ...cells]),
  );
  return [headline(comparison), '', measures, ...differingQueries(comparison)].join('\n');
}

/** What was compared, in one line. */
function headline({ sampled, rows, entity, tenant, queries, queriesFrom, top }: Comparison): string {
  return `${sampled} of ${rows} rows of ${entity} (tenant ${tenant}), ${queryCount(queries.length, queriesFrom)}, ${neighbours(top)} each`;
}

function differingQueries({ variants, queries, top }: Comparison): string[] {
  const differing = queries
    .map((query) => ({ query, least: leastOverlap(query.answers.map((answer) => answer?.overlap ?? null)) }))
    .filter(({ least }) => least < 1)
    .toSorted((a, b) => a.least - b.least)
    .slice(0, SHOWN_QUERIES);
  if (differing.length === 0) return [];
  const [, ...others] = variants;
  const table = renderTable(
    ['query', ...others.map(({ name }) => (others.length === 1 ? `overlap@${top}` : name)), 'nearest row'],
    differing.map(({ query }) => [
      oneLine(query.text, 40),
      ...query.answers.slice(1).map((answer) => share(answer?.overlap)),
      query.answers.map((answer) => oneLine(answer?.neighbours[0]?.label ?? '-', 24)).join(' | '),
    ]),
  );
  return ['', 'Queries whose answers differ most:', table];
}

function leastOverlap(overlaps: readonly (number | null)[]): number {
  return Math.min(1, ...overlaps.filter((overlap) => overlap !== null));
}
