import { expect, test } from 'vitest';
import { unitVector } from './unit-vector.ts';

test('a vector is brought to length one', () => {
  expect(unitVector(Float32Array.of(3, 0, 4))).toEqual(Float32Array.of(0.6, 0, 0.8));
});

test('one that has it, or has no direction, is left as it is', () => {
  for (const vector of [Float32Array.of(0, -1), Float32Array.of(0.6, 0.8), new Float32Array(3)]) {
    expect(unitVector(vector)).toBe(vector);
  }
});

test.each([NaN, Infinity, -Infinity])('%s is refused', (value) => {
  expect(() => unitVector(Float32Array.of(0, value))).toThrow(RangeError);
});
