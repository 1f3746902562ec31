import { usageError } from '../errors/vecpipe-error.ts';
import type { Sample } from './sample.ts';

export interface Query {
  text: string;
  /** Places of the rows that should be found, one at least; null where nobody knows them. */
  wanted: readonly number[] | null;
}

const LABEL_QUERIES = 50;

/** Queries of the user's own: what they should find is not known. */
export function queriesFromTexts(texts: readonly string[]): Query[] {
  return texts.map((text) => ({ text, wanted: null }));
}

/**
 * Labels of the sample's first rows as queries, which should find the rows that have that label. Numbers and signs
 * are left out: a model knows no more of `10001` than of any other number.
 * @throws {VecpipeError} usage `queries_needed` when no label can be asked for
 */
export function queriesFromLabels(sample: Sample, entity: string): Query[] {
  const places = new Map<string, number[]>();
  for (const index of sample.withText) {
    const label = sample.rows[index]?.label.trim() ?? '';
    if (!/\p{L}/u.test(label)) continue;
    const found = places.get(label);
    if (found) found.push(index);
    else places.set(label, [index]);
  }
  if (places.size === 0) {
    throw usageError(
      'queries_needed',
      `the labels of ${entity} have no words to search for`,
      `write queries into a file, one a line, and add --queries <file>; or give entities.${entity} a \`label:\``,
    );
  }
  return [...places].slice(0, LABEL_QUERIES).map(([text, wanted]) => ({ text, wanted }));
}
