import { expect, test } from 'vitest';
import { slices } from './slices.ts';

test.each([
  [[], 3, []],
  [[1], 3, [[1]]],
  [[1, 2, 3], 3, [[1, 2, 3]]],
  [[1, 2, 3, 4], 3, [[1, 2, 3], [4]]],
  [[1, 2], 1, [[1], [2]]],
])('%j in parts of %i', (items, size, expected) => {
  expect([...slices(items, size)]).toEqual(expected);
});
