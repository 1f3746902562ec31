import { isUtf8 } from 'node:buffer';
import { parseWithExactIntegers } from './exact-integers.ts';
import { findJsonError } from './find-json-error.ts';
import { findValueProblem } from './find-value-problem.ts';
import type { RawRecord } from './record-bytes.ts';
import { badRecord } from './record-item.ts';
import type { BadRecord, RecordItem } from './record-item.ts';

/** Bytes that are UTF-8 can hold these characters only as escapes. */
const ESCAPED_NUL_OR_SURROGATE = /\\u(?:0000|[dD][89a-fA-F])/;
const BYTE_ORDER_MARK = '\ufeff';

/** One JSON object out of the bytes of a record. */
export function parseJsonRecord({ bytes, line }: RawRecord): RecordItem {
  if (!isUtf8(bytes)) return badRecord(line, 'invalid_utf8', 'the record holds bytes that are not UTF-8');
  let text = bytes.toString('utf8');
  // Files that were joined together have one at the start of each.
  if (text.startsWith(BYTE_ORDER_MARK)) text = text.slice(BYTE_ORDER_MARK.length);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalidJson(line, text);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return badRecord(line, 'not_an_object', `expected an object, got ${describeKind(value)}`);
  }
  const record = value as Record<string, unknown>;
  const problem = findValueProblem(record, ESCAPED_NUL_OR_SURROGATE.test(text));
  if (problem) return badRecord(line, problem.code, problem.reason);
  const exact = parseWithExactIntegers(text) as Record<string, unknown> | null;
  return { kind: 'record', line, value: exact ?? record };
}

function describeKind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'number' ? 'a number' : 'true or false';
}

function invalidJson(line: number, text: string): BadRecord {
  const error = findJsonError(text);
  if (!error) return badRecord(line, 'invalid_json', 'not valid JSON');
  const before = text.slice(0, error.position);
  const lineFeeds = before.split('\n').length - 1;
  const character = error.position - before.lastIndexOf('\n');
  const place =
    lineFeeds === 0
      ? `character ${character} of the record`
      : `line ${line + lineFeeds}, character ${character}`;
  return badRecord(line, 'invalid_json', `not valid JSON at ${place}: ${error.problem}`);
}
