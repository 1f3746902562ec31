import { usageError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { readSample } from './read-sample.ts';
import { sampleKeys } from './sample-keys.ts';

/** A row of the sample, for people. */
export interface SampleRow {
  key: string;
  /** Cut to a length that can be shown; the key where the row was not looked at or has none. */
  label: string;
}

export interface Sample {
  /** Rows that the tenant has. */
  total: number;
  rows: SampleRow[];
  /** Places of the rows that have text by the source's own template. */
  withText: number[];
  /** See `SampleTally.digest`. */
  digest: string;
}

const LABEL_CHARACTERS = 200;

/**
 * Draws a sample and looks at its rows once, so that nothing is paid for a sample of which nothing can be learned.
 * @throws {VecpipeError} usage: `sample_empty` when there are no rows, or none has text
 */
export async function drawSample(
  database: Queryable,
  source: RowSource,
  { size, seed, ...options }: CallOptions & { size: number; seed: number },
): Promise<Sample> {
  const { rows: total, keys } = await sampleKeys(database, source, { size, seed, ...options });
  const where = `${source.description} for tenant ${source.tenant}`;
  if (keys.length === 0) {
    throw usageError(
      'sample_empty',
      `there are no rows in ${where}`,
      'bring rows in first, for example with `vecpipe sync`',
    );
  }
  const sample: Sample = { total, rows: keys.map((key) => ({ key, label: key })), withText: [], digest: '' };
  const { pages, tally } = readSample(database, source, keys, options);
  for await (const page of pages) {
    for (const { index, label } of page) {
      sample.withText.push(index);
      nameRow(sample, index, label);
    }
  }
  if (sample.withText.length === 0) {
    throw usageError(
      'sample_empty',
      `none of the ${keys.length} sampled rows has text in ${where}`,
      'look at one of them with `vecpipe explain <key>`, or take another template',
    );
  }
  return { ...sample, digest: tally.digest };
}

/** Puts a row's label in the place of its key. */
export function nameRow(sample: Sample, index: number, label: string): void {
  const row = sample.rows[index];
  if (row) row.label = Array.from(label).slice(0, LABEL_CHARACTERS).join('');
}
