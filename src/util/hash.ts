import { createHash } from 'node:crypto';

/** 128 bits of SHA-256 in hex: enough that two different texts never meet. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** The same for a JSON value. */
export function jsonHash(value: unknown): string {
  return shortHash(stableJson(value));
}

/** JSON text with the keys of objects in sorted order, so that equal values have equal texts. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, sortedKeys);
}

function sortedKeys(_name: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
