import { RecordBytes } from './record-bytes.ts';
import type { RawRecord, RecordSplitter } from './record-bytes.ts';
import { badRecord } from './record-item.ts';
import type { BadRecord } from './record-item.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;

type State = 'field_start' | 'plain' | 'quoted' | 'quote_in_quoted';

/**
 * Finds where CSV records end (RFC 4180, plus a lone carriage return as a line end) and leaves the fields to the
 * parser: only so can a record be limited in size, checked as UTF-8 and set aside without losing the next ones.
 * A quote opens a field only at its start. Empty lines are skipped.
 */
export class CsvSplitter implements RecordSplitter {
  readonly #delimiter: number;
  readonly #pending = new RecordBytes();
  #state: State = 'field_start';
  #line = 1;
  #recordLine = 1;
  #afterCarriageReturn = false;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  push(chunk: Buffer): (RawRecord | BadRecord)[] {
    const records: (RawRecord | BadRecord)[] = [];
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      const isLineFeed = byte === LINE_FEED;
      const isCarriageReturn = byte === CARRIAGE_RETURN;
      if (isCarriageReturn || (isLineFeed && !this.#afterCarriageReturn)) this.#line += 1;
      this.#afterCarriageReturn = isCarriageReturn;
      if (this.#state === 'quoted') {
        if (byte === QUOTE) this.#state = 'quote_in_quoted';
      } else if (byte === QUOTE) {
        if (this.#state !== 'plain') this.#state = 'quoted';
      } else if (isLineFeed || isCarriageReturn) {
        // The line feed of a CRLF ends an empty record, which is skipped like any other empty line.
        this.#finish(chunk.subarray(start, index), records);
        start = index + 1;
      } else {
        this.#state = byte === this.#delimiter ? 'field_start' : 'plain';
      }
    }
    if (start < chunk.length) this.#pending.add(chunk.subarray(start));
    return records;
  }

  end(): (RawRecord | BadRecord)[] {
    if (this.#state === 'quoted') {
      const reason = 'a quote that opens in this record is not closed before the end of the file';
      return [badRecord(this.#recordLine, 'invalid_csv', reason)];
    }
    const records: (RawRecord | BadRecord)[] = [];
    this.#finish(Buffer.alloc(0), records);
    return records;
  }

  #finish(last: Buffer, records: (RawRecord | BadRecord)[]): void {
    const record = this.#pending.finish(last, this.#recordLine);
    if (record.kind === 'bad' || record.bytes.length > 0) records.push(record);
    this.#recordLine = this.#line;
    this.#state = 'field_start';
  }
}
