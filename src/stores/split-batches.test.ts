import { expect, test } from 'vitest';
import { splitBatches } from './split-batches.ts';

const size = (item: number) => item;

test('cuts by number and by bytes, and keeps the order', () => {
  expect(splitBatches([1, 1, 1, 1, 1], { maxItems: 2, maxBytes: 100 }, size)).toEqual([[1, 1], [1, 1], [1]]);
  expect(splitBatches([4, 5, 2, 9, 1], { maxItems: 100, maxBytes: 10 }, size)).toEqual([[4, 5], [2], [9, 1]]);
});

test('an item over the limit goes alone, and nothing makes no batch', () => {
  expect(splitBatches([1, 50, 1], { maxItems: 100, maxBytes: 10 }, size)).toEqual([[1], [50], [1]]);
  expect(splitBatches([], { maxItems: 100, maxBytes: 10 }, size)).toEqual([]);
});
