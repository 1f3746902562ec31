import { createHash } from 'node:crypto';
import { prepareRow } from '../pipeline/prepare-row.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { slices } from '../util/slices.ts';

/** Few enough that long texts of a page do not fill the memory. */
const PAGE_ROWS = 250;

/** A row of the sample that has text. */
export interface SampledRow {
  /** Its place in the sample. */
  index: number;
  label: string;
  text: string;
}

/** What became of the rows of one pass over the sample. */
export interface SampleTally {
  /** Rows whose template gives no text, and rows that are gone. */
  withoutText: number;
  /** Rows that `vectorize` would set aside before embedding, because of the template or a key that is not unique. */
  failed: number;
  /** Equal when the rows of two passes over one source were equal. */
  digest: string;
}

export interface SamplePass {
  /** Pages in the order of the sample. Read once. */
  pages: AsyncIterable<SampledRow[]>;
  /** Complete when the pages are. */
  tally: SampleTally;
}

/**
 * Reads and renders the sample anew at every call, a page at a time, so that memory does not depend on its size.
 * @throws {VecpipeError} `usage` when the source cannot be read
 */
export function readSample(
  database: Queryable,
  source: RowSource,
  keys: readonly string[],
  options: CallOptions,
): SamplePass {
  const tally: SampleTally = { withoutText: 0, failed: 0, digest: '' };
  return { pages: readPages(database, source, keys, tally, options), tally };
}

async function* readPages(
  database: Queryable,
  source: RowSource,
  keys: readonly string[],
  tally: SampleTally,
  options: CallOptions,
): AsyncGenerator<SampledRow[]> {
  const hash = createHash('sha256');
  let index = 0;
  for (const pageKeys of slices(keys, PAGE_ROWS)) {
    options.signal?.throwIfAborted();
    const page: SampledRow[] = [];
    for (const row of await loadRows(database, source, null, pageKeys, options)) {
      hash.update(row.rowHash ?? 'gone');
      const claimed = {
        key: row.key,
        operation: 'upsert',
        version: 1,
        attempts: 1,
        unconfirmed: true,
      } as const;
      const decision = prepareRow(source, claimed, row);
      if (decision.action === 'fail') tally.failed += 1;
      else if ('row' in decision && decision.row.text !== '')
        page.push({ index, label: decision.row.label, text: decision.row.text });
      else tally.withoutText += 1;
      index += 1;
    }
    yield page;
  }
  tally.digest = hash.digest('hex');
}
