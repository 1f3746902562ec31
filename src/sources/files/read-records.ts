import { usageError } from '../../errors/vecpipe-error.ts';
import type { CallOptions } from '../../ports/database.ts';
import { createCsvDecoder } from './decode-csv.ts';
import { createJsonDecoder, createNdjsonDecoder } from './decode-json.ts';
import { detectFormat, fileStart, formatHint, markLength } from './detect-format.ts';
import type { RecordFormat } from './detect-format.ts';
import { readBytes } from './read-bytes.ts';
import type { ReadOptions } from './read-bytes.ts';
import type { RecordDecoder, RecordFile, RecordItem } from './record-item.ts';

/**
 * Reads the records of a file in order: NDJSON, a JSON array, JSON objects one after another, or CSV, each also
 * gzipped. The content decides; the name's ending helps where it leaves a choice. A record that cannot be read
 * is an item like the others, and reading goes on after it. Memory is bounded by one record and one chunk, and
 * nothing is read ahead of the consumer beyond that.
 *
 * The file is opened by the first `next` and closed when the iteration ends, early or not.
 * @throws {VecpipeError} `usage` when the file as a whole cannot be read: no records, not UTF-8 text, damaged
 * gzip, a CSV header without proper names; `unavailable` when reading fails half way; the signal's reason
 */
export async function* readRecords(
  file: RecordFile,
  options: ReadOptions = {},
): AsyncGenerator<RecordItem, void, undefined> {
  let isEmpty = true;
  for await (const items of decodeFile(file, options)) {
    for (const item of items) {
      options.signal?.throwIfAborted();
      isEmpty = false;
      yield item;
    }
  }
  if (isEmpty) throw usageError('record_file_empty', `${file.name} has no records (--from)`);
}

/**
 * Throws what `readRecords` would throw before its first item, so that several files can be checked before any
 * is loaded. Standard input and pipes can be read once only and are not looked at.
 */
export async function checkRecordFile(file: RecordFile, options: CallOptions = {}): Promise<void> {
  if (file.kind !== 'file') return;
  const items = readRecords(file, options);
  try {
    await items.next();
  } finally {
    await items.return();
  }
}

async function* decodeFile(
  file: RecordFile,
  options: ReadOptions,
): AsyncGenerator<RecordItem[], void, undefined> {
  const chunks = readBytes(file, options);
  try {
    const { format, start } = await recogniseFormat(chunks, file.name);
    const decoder = createDecoder(format, file.name);
    yield decoder.push(start);
    for await (const chunk of chunks) yield decoder.push(chunk);
    yield decoder.end();
  } finally {
    await chunks.return();
  }
}

/** Reads until the format is known; `start` is what was read, without a byte order mark. */
async function recogniseFormat(
  chunks: AsyncGenerator<Buffer, void, undefined>,
  fileName: string,
): Promise<{ format: RecordFormat; start: Buffer }> {
  const hint = formatHint(fileName);
  let start: Buffer = Buffer.alloc(0);
  for (;;) {
    const next = await chunks.next();
    if (!next.done) start = Buffer.concat([start, next.value]);
    const format = detectFormat(fileStart(start, next.done === true), hint, fileName);
    if (format) return { format, start: start.subarray(markLength(start)) };
  }
}

function createDecoder(format: RecordFormat, fileName: string): RecordDecoder {
  switch (format.kind) {
    case 'ndjson':
      return createNdjsonDecoder();
    case 'json':
      return createJsonDecoder();
    case 'csv':
      return createCsvDecoder(format.delimiter, fileName);
    default:
      return format satisfies never;
  }
}
