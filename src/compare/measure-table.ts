import { decimal, share, significant } from './format.ts';
import type { ComparedVariant, Comparison } from './comparison.ts';

/** A line of the table of measures. */
export interface MeasureLine {
  name: string;
  /** What it says, as a sentence. */
  meaning: string;
  /** One a variant, in their order. */
  cells: string[];
}

/** The measures of a comparison for people, variants side by side; lines that would say nothing are left out. */
export function measureTable({ variants, top, rows }: Comparison): MeasureLine[] {
  const lines: MeasureLine[] = [];
  const add = (name: string, meaning: string, cell: (variant: ComparedVariant) => string) =>
    lines.push({ name, meaning, cells: variants.map((variant) => cell(variant)) });
  const addCount = (name: string, meaning: string, count: (variant: ComparedVariant) => number) => {
    if (variants.some((variant) => count(variant) > 0)) add(name, meaning, (each) => String(count(each)));
  };

  add('provider', 'Its name in the config.', ({ provider }) => provider);
  add('template', 'What the text of a row is made with.', ({ template }) => template);
  add('model', 'The weights.', ({ model }) => model);
  add('dimensions', 'Numbers in a vector.', ({ dimensions }) => String(dimensions));
  add(
    `overlap@${top}`,
    `Share of the baseline's ${top} nearest rows that are among these, too; mean over the queries.`,
    ({ againstBaseline }) => share(againstBaseline?.overlap),
  );
  add('same first row', 'Share of the queries with the same nearest row as the baseline.', (variant) =>
    share(variant.againstBaseline?.sameFirst),
  );
  add('rank shift', 'Ranks that a row which both found has moved; mean.', ({ againstBaseline }) =>
    decimal(againstBaseline?.rankShift, 2),
  );
  if (variants.some(({ ownRow }) => ownRow !== null)) {
    add('own row first', 'Share of the labels whose own row is the nearest one.', ({ ownRow }) =>
      share(ownRow?.first),
    );
    add(`own row in top ${top}`, `Share of the labels whose own row is among the ${top}.`, ({ ownRow }) =>
      share(ownRow?.inTop),
    );
    add(`MRR@${top}`, 'Mean of 1 / rank of the own row, 0 where it is not found.', ({ ownRow }) =>
      decimal(ownRow?.reciprocalRank, 3),
    );
  }
  add(
    'mean score',
    `Cosine, mean over the ${top}. Models differ in scale: compare within a column.`,
    (each) => decimal(each.scores?.mean, 3),
  );
  add('score deviation', `Standard deviation within the ${top}; mean over the queries.`, ({ scores }) =>
    decimal(scores?.standardDeviation, 3),
  );
  add('score gap', `First score minus the last of the ${top}; mean over the queries.`, ({ scores }) =>
    decimal(scores?.gap, 3),
  );
  add('rows embedded', 'Rows of the sample that got vectors.', (each) => String(each.rows.embedded));
  addCount('rows without text', 'The template gives them no text.', (each) => each.rows.withoutText);
  addCount(
    'rows failed',
    'A value does not fit the template, or the key is not unique.',
    (each) => each.rows.failed,
  );
  addCount('rows refused', 'The provider would not embed a text of them.', (each) => each.rows.refused);
  addCount('queries refused', 'The provider would not embed them.', (each) => each.refusedQueries);
  add('texts', 'Chunks of the rows.', ({ texts }) => String(texts));
  add('tokens', 'Of the rows, equal texts once.', ({ tokens }) => String(tokens));
  if (variants.some(({ price }) => price !== null)) {
    add('price', 'Of the rows and queries of this comparison.', ({ price }) => significant(price, 3));
    add(`price of ${rows} rows`, 'If all rows are like those of the sample.', (each) =>
      significant(each.estimatedPriceOfAllRows, 3),
    );
  }
  add('opening', 'Until the provider was ready.', ({ openMs }) => `${decimal(openMs / 1000, 2)} s`);
  add('rows/s', 'Embedded, the provider alone.', ({ rowsPerSecond }) => significant(rowsPerSecond, 3));
  add('ms a query', 'One query in a call of its own, median.', ({ queryMs }) => significant(queryMs, 2));
  return lines;
}
