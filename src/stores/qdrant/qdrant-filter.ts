import type { Schemas } from '@qdrant/js-client-rest';
import type { PointFilter } from '../../ports/vector-store.ts';
import { parseFieldPath, qdrantFieldPath } from '../field-path.ts';

/**
 * The filter in Qdrant's form, https://qdrant.tech/documentation/concepts/filtering/: a `must` of one condition a
 * field. A condition without values matches nothing, as the port says; see `anyOfCondition`.
 * @throws {VecpipeError} `usage` when a field is not a path
 */
export function qdrantFilter(filter: PointFilter | undefined): Schemas['Filter'] | undefined {
  if (!filter || filter.must.length === 0) return undefined;
  return {
    must: filter.must.map(({ field, anyOf }) =>
      anyOfCondition(qdrantFieldPath(parseFieldPath(field)), anyOf),
    ),
  };
}

/**
 * Matches when the field equals, or as an array contains, one of the values. Strings and integers go into one `any`
 * each, which the index answers in one look-up. Qdrant's `match` knows no fractions (and no integers beyond 64 bits):
 * those are a range of one number.
 * @param key a path as Qdrant reads it
 */
export function anyOfCondition(
  key: string,
  anyOf: readonly (string | number | boolean)[],
): Schemas['Condition'] {
  const strings = anyOf.filter((value) => typeof value === 'string');
  const numbers = anyOf.filter((value) => typeof value === 'number');
  const integers = numbers.filter((value) => Number.isSafeInteger(value));
  const fractions = numbers.filter((value) => !Number.isSafeInteger(value));
  const booleans = anyOf.filter((value) => typeof value === 'boolean');
  const conditions: Schemas['Condition'][] = [
    ...(strings.length > 0 ? [{ key, match: { any: strings } }] : []),
    ...(integers.length > 0 ? [{ key, match: { any: integers } }] : []),
    ...fractions.map((value) => ({ key, range: { gte: value, lte: value } })),
    ...booleans.map((value) => ({ key, match: { value } })),
  ];
  const [only] = conditions;
  // An empty `should` would match everything; an empty `any` matches nothing.
  if (!only) return { key, match: { any: [] } };
  return conditions.length === 1 ? only : { should: conditions };
}
