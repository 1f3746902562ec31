import { usageError, VecpipeError } from '../errors/vecpipe-error.ts';
import { UNSTORABLE } from '../pipeline/prepare-row.ts';
import type { Payload } from '../ports/vector-store.ts';
import { parseFieldPath } from '../stores/field-path.ts';

/** Where the payload of a foreign point names its row. */
export interface KeyField {
  /** As it was given, for messages. */
  text: string;
  names: readonly string[];
}

/** @throws {VecpipeError} `usage` when the text is not a path of names */
export function parseKeyField(text: string): KeyField {
  try {
    return { text, names: parseFieldPath(text) };
  } catch (error) {
    if (!(error instanceof VecpipeError)) throw error;
    throw usageError(
      'adoption_key_field',
      `--key-field ${JSON.stringify(text)} is not a name, or names joined by dots`,
      error.hint,
      error,
    );
  }
}

/** The row's key as text; null when the payload has none, or a number that JavaScript has rounded. */
export function readKey(payload: Payload, { names }: KeyField): string | null {
  let value: unknown = payload;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Record<string, unknown>)[name];
  }
  if (typeof value === 'string') return UNSTORABLE.test(value) ? null : value;
  if (typeof value !== 'number') return null;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? null : String(value);
}
