import { RecordBytes } from './record-bytes.ts';
import type { RawRecord, RecordSplitter } from './record-bytes.ts';
import { badRecord } from './record-item.ts';
import type { BadRecord } from './record-item.ts';

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Nothing yet, just after a comma, or just after an element. */
type ArrayPosition = 'start' | 'comma' | 'element';

/**
 * Cuts JSON into records without reading it: the elements of an array, or objects that stand one after another,
 * each over as many lines as it likes. It only tracks strings and nesting, so it finds the end of an element
 * that is not valid JSON too, and the elements after it are still read. All bytes that matter are ASCII, which
 * UTF-8 never uses inside a longer character.
 */
export class JsonSplitter implements RecordSplitter {
  readonly #pending = new RecordBytes();
  #line = 1;
  /** Line of the opening bracket, or null outside an array. */
  #arrayLine: number | null = null;
  #position: ArrayPosition = 'start';
  /** Line on which the value under way starts, or null between values. */
  #valueLine: number | null = null;
  /** The value under way is no object and stands outside an array: it ends with its line. */
  #isStray = false;
  #depth = 0;
  #inString = false;
  #escaped = false;

  push(chunk: Buffer): (RawRecord | BadRecord)[] {
    const records: (RawRecord | BadRecord)[] = [];
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      if (byte === LINE_FEED) {
        if (this.#isStray) this.#finish(chunk.subarray(start, index), records);
        this.#line += 1;
        // JSON has no line feed inside a string: one that was not closed does not swallow the lines after it.
        this.#inString = false;
        this.#escaped = false;
        continue;
      }
      if (this.#valueLine === null) {
        if (byte <= SPACE || this.#takeArrayMark(byte, records)) continue;
        this.#valueLine = this.#line;
        this.#isStray = this.#arrayLine === null && byte !== OPEN_BRACE;
        start = index;
      }
      if (this.#isStray) continue;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      const length = this.#takeStructure(byte);
      if (length === null) continue;
      this.#finish(chunk.subarray(start, index + length), records);
      if (length === 0) this.#takeArrayMark(byte, records);
    }
    if (this.#valueLine !== null) this.#pending.add(chunk.subarray(start));
    return records;
  }

  end(): (RawRecord | BadRecord)[] {
    const records: (RawRecord | BadRecord)[] = [];
    const isCutOff = this.#depth > 0 || this.#inString;
    if (this.#valueLine !== null) this.#finish(Buffer.alloc(0), records);
    if (this.#arrayLine !== null && !isCutOff) {
      const reason = `the file ends inside the array that starts on line ${this.#arrayLine}`;
      records.push(badRecord(this.#line, 'invalid_json', reason));
    }
    return records;
  }

  /** Between values: true when the byte opens, divides or closes an array. */
  #takeArrayMark(byte: number, records: (RawRecord | BadRecord)[]): boolean {
    if (this.#arrayLine === null) {
      if (byte !== OPEN_BRACKET) return false;
      this.#arrayLine = this.#line;
      this.#position = 'start';
      return true;
    }
    if (byte === COMMA) {
      if (this.#position !== 'element') {
        records.push(badRecord(this.#line, 'invalid_json', 'a comma without a record before it'));
      }
      this.#position = 'comma';
      return true;
    }
    if (byte !== CLOSE_BRACKET) return false;
    if (this.#position === 'comma') {
      records.push(badRecord(this.#line, 'invalid_json', 'a comma without a record after it'));
    }
    this.#arrayLine = null;
    return true;
  }

  /** Inside a value: 1 when the byte is the value's last, 0 when the value ended before it, else null. */
  #takeStructure(byte: number): 0 | 1 | null {
    switch (byte) {
      case QUOTE:
        this.#inString = true;
        return null;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#depth += 1;
        return null;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (this.#depth > 0) {
          this.#depth -= 1;
          return this.#depth === 0 && this.#arrayLine === null ? 1 : null;
        }
        return byte === CLOSE_BRACKET ? 0 : null;
      case COMMA:
        return this.#depth === 0 ? 0 : null;
      default:
        return null;
    }
  }

  #finish(last: Buffer, records: (RawRecord | BadRecord)[]): void {
    records.push(this.#pending.finish(last, this.#valueLine ?? this.#line));
    this.#valueLine = null;
    this.#isStray = false;
    this.#depth = 0;
    this.#inString = false;
    this.#position = 'element';
  }
}
