import { expect, test } from 'vitest';
import { pool, unitRows } from './pooling.ts';

// Two texts of two and one token, padded to two, three numbers each.
const STATES = Float32Array.from(
  [
    [1, 2, 0],
    [3, 2, 0],
    [0, 0, 5],
    [9, 9, 9],
  ].flat(),
);
const LENGTHS = Int32Array.of(2, 1);

test('the mean counts no padding', () => {
  const [a, b, c, ...second] = pool(STATES, LENGTHS, 2, 3, 'mean');
  expect([a, b, c].map((value) => value?.toFixed(4))).toEqual(['0.7071', '0.7071', '0.0000']);
  expect(second).toEqual([0, 0, 1]);
});

test('cls takes the first token', () => {
  const [a, b, c] = pool(STATES, LENGTHS, 2, 3, 'cls');
  expect([a, b, c].map((value) => value?.toFixed(4))).toEqual(['0.4472', '0.8944', '0.0000']);
});

test('what has no direction stays zero', () => {
  expect([...pool(new Float32Array(3), Int32Array.of(1), 1, 3, 'mean')]).toEqual([0, 0, 0]);
});

test('ready vectors are scaled in a copy', () => {
  const rows = Float32Array.of(3, 4, 0, 2);
  expect([...unitRows(rows, 2)].map((value) => value.toFixed(1))).toEqual(['0.6', '0.8', '0.0', '1.0']);
  expect([...rows]).toEqual([3, 4, 0, 2]);
});
