import { badRecord, MAX_RECORD_BYTES } from './record-item.ts';
import type { BadRecord } from './record-item.ts';

/** The bytes of one record as they stand in the file; the receiver owns them. */
export interface RawRecord {
  kind: 'raw';
  line: number;
  bytes: Buffer;
}

/** Finds where records end; what it cannot hand on is a bad record already. */
export interface RecordSplitter {
  push(chunk: Buffer): (RawRecord | BadRecord)[];
  end(): (RawRecord | BadRecord)[];
}

const FIRST_CAPACITY = 16 * 1024;

/**
 * Gathers a record whose bytes come in several chunks. One that grows over the limit is only counted from then
 * on, so that a file of any shape is read in constant memory.
 */
export class RecordBytes {
  #buffer: Buffer | null = null;
  #size = 0;

  add(part: Buffer): void {
    const start = this.#size;
    this.#size += part.length;
    if (this.#size > MAX_RECORD_BYTES) {
      this.#buffer = null;
      return;
    }
    if (!this.#buffer || this.#buffer.length < this.#size) this.#grow(start);
    if (this.#buffer) part.copy(this.#buffer, start);
  }

  /** Ends the record with its last bytes, which are not copied when they are all of it. */
  finish(last: Buffer, line: number): RawRecord | BadRecord {
    let bytes: Buffer | null = last;
    if (this.#size > 0) {
      this.add(last);
      bytes = this.#buffer?.subarray(0, this.#size) ?? null;
    } else {
      this.#size = last.length;
    }
    const size = this.#size;
    this.#buffer = null;
    this.#size = 0;
    return bytes && size <= MAX_RECORD_BYTES ? { kind: 'raw', line, bytes } : tooLarge(line, size);
  }

  #grow(used: number): void {
    const capacity = Math.max(FIRST_CAPACITY, Math.min(this.#size * 2, MAX_RECORD_BYTES));
    const grown = Buffer.allocUnsafe(capacity);
    this.#buffer?.copy(grown, 0, 0, used);
    this.#buffer = grown;
  }
}

function tooLarge(line: number, size: number): BadRecord {
  const bytes = size.toLocaleString('en-US');
  const limit = MAX_RECORD_BYTES.toLocaleString('en-US');
  return badRecord(line, 'record_too_large', `the record has ${bytes} bytes; the limit is ${limit} (4 MiB)`);
}
