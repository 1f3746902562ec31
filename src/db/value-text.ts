import type { BoundValue } from '../ports/database.ts';

/**
 * The text form in which a value is bound. Both adapters use it, so that neither driver's own idea of a value
 * (or of an array of a type that it does not know) makes a difference.
 */
export function toValueText(value: BoundValue): string | null {
  if (value === null) return null;
  if (typeof value === 'object') return toArrayText(value);
  return String(value);
}

/** A one-dimensional array literal, https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function toArrayText(elements: readonly (string | number | boolean | null)[]): string {
  const texts = elements.map((element) => {
    if (element === null) return 'NULL';
    if (typeof element !== 'string') return String(element);
    return `"${element.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return `{${texts.join(',')}}`;
}
