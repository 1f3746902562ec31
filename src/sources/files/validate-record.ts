import type { RecordField, RecordShape } from '../../entities/entity.ts';
import { stringifyExactly } from './exact-integers.ts';
import { parseTimestamp } from './parse-timestamp.ts';

/** A record that fits its entity, as its table takes it. */
export interface ValidRecord {
  /** The row's key, exactly as given; a number in its digits. */
  id: string;
  /** Every field of the shape, in its order; timestamps as ISO 8601 text in UTC. */
  fields: Record<string, string | number | null>;
  /** Everything else the record had, as the JSON text of an object. */
  attributes: string;
  /** The record's own `tenant_id`, or null when it has none. */
  tenantId: string | null;
  /** The record says that its row is gone: it has no fields and no attributes then. */
  deleted?: true;
}

export interface InvalidRecord {
  /** All that is wrong, such as `name: required; hierarchy_level: expected a whole number, got a list`. */
  problems: string;
}

export type RecordValidator = (value: Readonly<Record<string, unknown>>) => ValidRecord | InvalidRecord;

/** Names that mean the same in every entity. */
const RESERVED = new Set(['id', 'tenant_id', 'attributes', 'deleted']);
const MAX_ID_CHARACTERS = 1024;
/** An index entry of Postgres holds 2,704 bytes, and tenant and entity share it with the key. */
const MAX_ID_BYTES = 2048;
const MIN_INTEGER = -(2 ** 31);
const MAX_INTEGER = 2 ** 31 - 1;
const INTEGER_TEXT = /^[+-]?\d{1,20}$/;

/** What one value came to: what to store, or a problem without the value in it. */
type Outcome<Value> = { value: Value } | { problem: string };

/**
 * Makes the function that checks one record against an entity and sorts its values into columns. Null, an empty
 * text and a missing field are the same: nothing there. Values are kept exactly; the only conversions are a
 * number to a text field's digits, whole-number text to an integer, and a timestamp to UTC.
 */
export function createRecordValidator(shape: RecordShape): RecordValidator {
  const known = new Set([...RESERVED, ...shape.map((field) => field.name)]);
  return (value) => {
    const problems: string[] = [];
    const accept = <Value>(name: string, outcome: Outcome<Value>): Value | null => {
      if ('value' in outcome) return outcome.value;
      problems.push(`${name}: ${outcome.problem}`);
      return null;
    };
    const id = accept('id', readId(own(value, 'id')));
    const tenantId = accept('tenant_id', readTenant(own(value, 'tenant_id')));
    const isDeleted = accept('deleted', readDeleted(own(value, 'deleted')));
    if (isDeleted === true) {
      return id === null || problems.length > 0
        ? { problems: problems.join('; ') }
        : { id, fields: {}, attributes: '{}', tenantId, deleted: true };
    }
    const fields = shape.map((field) => [
      field.name,
      accept(field.name, readField(field, own(value, field.name))),
    ]);
    if (id === null || problems.length > 0) return { problems: problems.join('; ') };
    return {
      id,
      // fromEntries defines properties: a field named __proto__ is one like any other.
      fields: Object.fromEntries(fields) as ValidRecord['fields'],
      attributes: readAttributes(value, known),
      tenantId,
    };
  };
}

function own(value: Readonly<Record<string, unknown>>, name: string): unknown {
  const found = Object.hasOwn(value, name) ? value[name] : null;
  return found === '' ? null : (found ?? null);
}

function readId(value: unknown): Outcome<string> {
  if (value === null) return { problem: 'required' };
  const text = typeof value === 'string' ? value : wholeNumberText(value);
  if (text === null) {
    return typeof value === 'number'
      ? { problem: 'a number with a fraction or exponent is not exact; write it in quotes' }
      : { problem: `expected text or a whole number, got ${describeKind(value)}` };
  }
  if (text.trim() === '') return { problem: 'required' };
  if (text.length > MAX_ID_CHARACTERS) return { problem: 'longer than 1,024 characters' };
  return Buffer.byteLength(text) > MAX_ID_BYTES ? { problem: 'longer than 2,048 bytes' } : { value: text };
}

function readTenant(value: unknown): Outcome<string | null> {
  if (value === null) return { value: null };
  const text = typeof value === 'string' ? value : wholeNumberText(value);
  if (text !== null) return { value: text };
  return { problem: `expected text or a whole number, got ${describeKind(value)}` };
}

/** As JSON and CSV write it; a guess would delete rows, or keep them. */
function readDeleted(value: unknown): Outcome<boolean> {
  const text = typeof value === 'string' ? value.trim().toLowerCase() : value;
  if (text === null || text === false || text === 'false' || text === '0' || text === 0)
    return { value: false };
  if (text === true || text === 'true' || text === '1' || text === 1) return { value: true };
  return { problem: `expected true or false, got ${describeKind(value)}` };
}

function readField(field: RecordField, value: unknown): Outcome<string | number | null> {
  const isBlank = typeof value === 'string' && value.trim() === '';
  if (value === null || (isBlank && (field.required || field.type !== 'text'))) {
    return field.required ? { problem: 'required' } : { value: null };
  }
  switch (field.type) {
    case 'text':
      return readText(value);
    case 'integer':
      return readInteger(value);
    case 'timestamp':
      return readTimestamp(value);
    default:
      return field.type satisfies never;
  }
}

function readText(value: unknown): Outcome<string> {
  if (typeof value === 'string') return { value };
  if (typeof value === 'bigint' || Number.isFinite(value)) return { value: String(value) };
  return { problem: `expected text, got ${describeKind(value)}` };
}

function readInteger(value: unknown): Outcome<number> {
  const isInteger =
    typeof value === 'bigint' ||
    Number.isInteger(value) ||
    (typeof value === 'string' && INTEGER_TEXT.test(value.trim()));
  if (!isInteger) return { problem: `expected a whole number, got ${describeKind(value)}` };
  const number = Number(value);
  if (number >= MIN_INTEGER && number <= MAX_INTEGER) return { value: number };
  return { problem: 'expected a whole number from -2147483648 to 2147483647' };
}

function readTimestamp(value: unknown): Outcome<string> {
  const timestamp = typeof value === 'string' ? parseTimestamp(value) : null;
  if (timestamp !== null) return { value: timestamp };
  const got = typeof value === 'string' ? '' : `, got ${describeKind(value)}`;
  return { problem: `expected an ISO 8601 date or time such as 2026-03-01T09:30:00Z${got}` };
}

/** Fields that the shape does not know; an object named `attributes` gives its own fields to them. */
function readAttributes(value: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): string {
  const entries = Object.entries(value).filter(([name]) => !known.has(name));
  const given = Object.hasOwn(value, 'attributes') ? value['attributes'] : null;
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    // First, so that a field of the record itself wins over one of the same name in `attributes`.
    entries.unshift(...Object.entries(given));
  } else if (given !== null && given !== undefined) {
    entries.push(['attributes', given]);
  }
  return entries.length > 0 ? stringifyExactly(Object.fromEntries(entries)) : '{}';
}

function wholeNumberText(value: unknown): string | null {
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : null;
}

function describeKind(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'bigint':
      return 'a number';
    case 'number':
      return Number.isInteger(value) ? 'a number' : 'a fraction';
    case 'boolean':
      return 'true or false';
    default:
      return 'an object';
  }
}
