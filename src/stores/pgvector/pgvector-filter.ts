import type { BoundValue } from '../../ports/database.ts';
import type { PointFilter } from '../../ports/vector-store.ts';
import { parseFieldPath } from '../field-path.ts';

/** Columns that repeat a part of the payload, so that an index leads to it. */
const COLUMNS: ReadonlyMap<string, string> = new Map([
  ['vecpipe.tenant', 'tenant'],
  ['vecpipe.entity', 'entity'],
  ['vecpipe.key', 'key'],
]);

/**
 * The filter as SQL, with Qdrant's meaning: a value matches one of the same type, or an array that holds it; a field
 * that is missing, null or reached through an array matches nothing.
 * @param values bound values so far; the filter's own are appended
 * @returns `true` when there is nothing to filter
 * @throws {VecpipeError} `usage` when a field is not a path
 */
export function filterCondition(filter: PointFilter | undefined, values: BoundValue[]): string {
  const conditions = (filter?.must ?? []).map(({ field, anyOf }) => {
    const column = COLUMNS.get(field);
    if (column !== undefined) {
      return `${column} = any(${bind(
        values,
        anyOf.filter((value) => typeof value === 'string'),
      )}::text[])`;
    }
    const place = parseFieldPath(field).map((name) => ` -> ${bind(values, name)}::text`);
    const wanted = bind(
      values,
      anyOf.map((value) => JSON.stringify(value)),
    );
    // Containment of a scalar holds for the equal scalar and for an array with that element, and for nothing else.
    return `(payload${place.join('')}) @> any(${wanted}::jsonb[])`;
  });
  return conditions.length === 0 ? 'true' : conditions.join(' and ');
}

/** Appends a value and returns its placeholder. */
export function bind(values: BoundValue[], value: BoundValue): string {
  values.push(value);
  return `$${values.length}`;
}
