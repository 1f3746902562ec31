import { isNumberId } from '../number-id.ts';

// An id is a UUID or an unsigned integer of 64 bits, which JavaScript's numbers do not hold in full: the latter is kept
// as decimal digits and written to JSON as they are.

/** A list of ids as JSON. */
export function idsJson(ids: readonly string[]): string {
  return `[${ids.map(idJson).join(',')}]`;
}

export function idJson(id: string): string {
  return isNumberId(id) ? id : JSON.stringify(id);
}

/** Qdrant's order: numbers first, ascending, then UUIDs in the order of their bytes. */
export function isIdBefore(one: string, other: string): boolean {
  const isNumber = isNumberId(one);
  if (isNumber !== isNumberId(other)) return isNumber;
  return isNumber && one.length !== other.length ? one.length < other.length : one < other;
}

/**
 * Puts ids that `JSON.parse` would round in quotes. A quote inside of a text is escaped, so what is found is never a
 * part of one; a field `id` that begins an object of the payload becomes text too, which is nearer to what was written
 * than a rounded number.
 */
export function quoteLongIds(text: string): string {
  return text.replaceAll(/\{"id":(\d{16,})(?=[,}])/g, '{"id":"$1"');
}
