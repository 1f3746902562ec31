import { expect, test } from 'vitest';
import type { BoundValue } from '../../ports/database.ts';
import { filterCondition } from './pgvector-filter.ts';

test('no conditions are true', () => {
  const values: BoundValue[] = [];
  expect(filterCondition(undefined, values)).toBe('true');
  expect(filterCondition({ must: [] }, values)).toBe('true');
  expect(values).toEqual([]);
});

test('values and names are bound, never part of the SQL', () => {
  const values: BoundValue[] = ['already there'];
  const condition = filterCondition(
    {
      must: [
        { field: 'vecpipe.tenant', anyOf: ["1'; drop table x", 2] },
        { field: "it's.a name", anyOf: ["'", 0.5, true] },
      ],
    },
    values,
  );
  expect(condition).toBe(
    'tenant = any($2::text[]) and (payload -> $3::text -> $4::text) @> any($5::jsonb[])',
  );
  expect(values).toEqual(['already there', ["1'; drop table x"], "it's", 'a name', [`"'"`, '0.5', 'true']]);
});
