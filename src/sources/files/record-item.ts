/** What records are read from. `name` is how messages and reports call it. */
export type RecordFile =
  | { kind: 'file'; path: string; name: string }
  /** A named pipe, or what a shell puts in place of `<(command)`: it can be read once only. */
  | { kind: 'pipe'; path: string; name: string }
  | { kind: 'stdin'; name: string };

/** Bytes that one record may have as it stands in the file, after decompression. */
export const MAX_RECORD_BYTES = 4 * 1024 * 1024;

/** Why a record was not read; stable, snake_case. */
export type BadRecordCode =
  | 'invalid_csv'
  | 'invalid_json'
  | 'invalid_utf8'
  | 'lone_surrogate'
  | 'nested_too_deep'
  | 'not_an_object'
  | 'nul_character'
  | 'number_out_of_range'
  | 'record_too_large'
  | 'wrong_field_count';

export interface GoodRecord {
  kind: 'record';
  /** One-based number of the line on which the record starts. */
  line: number;
  /**
   * JSON values as they came, with one addition: a whole number beyond ±(2^53 − 1) is a bigint, so that nothing
   * is rounded. From CSV every value is text, or null where the cell is empty.
   */
  value: Record<string, unknown>;
}

export interface BadRecord {
  kind: 'bad';
  line: number;
  code: BadRecordCode;
  /** A phrase for people that names fields and positions, never what they hold. */
  reason: string;
}

export type RecordItem = GoodRecord | BadRecord;

export function badRecord(line: number, code: BadRecordCode, reason: string): BadRecord {
  return { kind: 'bad', line, code, reason };
}

/** Turns the bytes of a file into records, chunk by chunk; holds no more than one unfinished record. */
export interface RecordDecoder {
  push(chunk: Buffer): RecordItem[];
  /** What the end of the file completes or cuts off. */
  end(): RecordItem[];
}
