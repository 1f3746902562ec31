import { expect, test } from 'vitest';
import { fixedPointArray, fixedPointUnit } from './fixed-point.ts';

/** What pgvector makes of it: each integer and each factor becomes a 32-bit float, and so does their product. */
function readBack(vector: Float32Array): number[] {
  const integers = JSON.parse(fixedPointArray(vector).replace('{', '[').replace('}', ']')) as number[];
  const factors = JSON.parse(fixedPointUnit(vector.length)) as number[];
  return integers.map((integer, index) =>
    Math.fround(Math.fround(integer) * Math.fround(factors[index] ?? NaN)),
  );
}

test('numbers of a unit-length vector come back exactly down to 2^-7', () => {
  const vector = Float32Array.of(1, -1, 0.5, -0.123456789, 0.0078125, 1 / 3, 0);
  expect(readBack(vector)).toEqual([...vector]);
});

test('and nearly so below', () => {
  const vector = Float32Array.from({ length: 1000 }, (_, index) => (index - 500) / 70_000);
  for (const [index, value] of readBack(vector).entries()) {
    expect(Math.abs(value - (vector[index] ?? NaN))).toBeLessThanOrEqual(2 ** -31);
  }
});

test('every integer fits, also of a vector that is a rounding longer than one', () => {
  expect(fixedPointArray(Float32Array.of(1.000001, -1.000001))).toMatch(/^\{\d+,-\d+\}$/);
  expect(Math.round(1.000001 * 2 ** 30)).toBeLessThan(2 ** 31);
});
