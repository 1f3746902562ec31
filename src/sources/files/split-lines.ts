import { RecordBytes } from './record-bytes.ts';
import type { RawRecord, RecordSplitter } from './record-bytes.ts';
import type { BadRecord } from './record-item.ts';

const LINE_FEED = 0x0a;
const SPACE = 0x20;

/** One record a line; lines of white space only are skipped. */
export class LineSplitter implements RecordSplitter {
  readonly #pending = new RecordBytes();
  #line = 1;

  push(chunk: Buffer): (RawRecord | BadRecord)[] {
    const records: (RawRecord | BadRecord)[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      if (end < 0) break;
      this.#finish(chunk.subarray(start, end), records);
      this.#line += 1;
      start = end + 1;
    }
    if (start < chunk.length) this.#pending.add(chunk.subarray(start));
    return records;
  }

  end(): (RawRecord | BadRecord)[] {
    const records: (RawRecord | BadRecord)[] = [];
    this.#finish(Buffer.alloc(0), records);
    return records;
  }

  #finish(last: Buffer, records: (RawRecord | BadRecord)[]): void {
    const record = this.#pending.finish(last, this.#line);
    if (record.kind === 'bad' || record.bytes.some((byte) => byte > SPACE)) records.push(record);
  }
}
