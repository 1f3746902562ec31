import { parseJsonRecord } from './parse-json-record.ts';
import type { RawRecord, RecordSplitter } from './record-bytes.ts';
import type { BadRecord, RecordDecoder, RecordItem } from './record-item.ts';
import { JsonSplitter } from './split-json.ts';
import { LineSplitter } from './split-lines.ts';

/** Newline-delimited JSON: one object a line. */
export function createNdjsonDecoder(): RecordDecoder {
  return createDecoder(new LineSplitter());
}

/** An array of objects, or objects one after another over any number of lines. */
export function createJsonDecoder(): RecordDecoder {
  return createDecoder(new JsonSplitter());
}

function createDecoder(splitter: RecordSplitter): RecordDecoder {
  return {
    push: (chunk) => splitter.push(chunk).map(decode),
    end: () => splitter.end().map(decode),
  };
}

function decode(record: RawRecord | BadRecord): RecordItem {
  return record.kind === 'raw' ? parseJsonRecord(record) : record;
}
