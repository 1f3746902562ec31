import { describe, expect, test } from 'vitest';
import { maxVectorBytes, vectorText, writeVector } from './float-text.ts';

const bits = new DataView(new ArrayBuffer(4));

function floatOfBits(pattern: number): number {
  bits.setUint32(0, pattern);
  return bits.getFloat32(0);
}

function readBack(text: string): Float32Array {
  return Float32Array.from(JSON.parse(text) as number[]);
}

describe('vectorText', () => {
  test('reads back to the very same floats, whatever their size', () => {
    const values: number[] = [
      0, 1, -1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 0.5, 123456.78, 1e20, 3.4028234663852886e38,
    ];
    // A walk through every exponent with mantissas spread by a prime, both signs.
    for (let step = 0, mantissa = 0; step < 254; step++) {
      for (let count = 0; count < 200; count++) {
        mantissa = (mantissa + 1_299_709) & 0x7fffff;
        values.push(
          floatOfBits(((step << 23) | mantissa) >>> 0),
          floatOfBits(((step << 23) | mantissa | 0x80000000) >>> 0),
        );
      }
    }
    const vector = Float32Array.from(values);
    expect(readBack(vectorText(vector))).toEqual(vector);
  });

  test('reads back the neighbours of every power of ten, where the number of zeros changes', () => {
    const values: number[] = [];
    for (let exponent = -7; exponent <= 1; exponent++) {
      bits.setFloat32(0, 10 ** exponent);
      const pattern = bits.getUint32(0);
      for (let distance = -50; distance <= 50; distance++) values.push(floatOfBits(pattern + distance));
    }
    const vector = Float32Array.from(values);
    expect(readBack(vectorText(vector))).toEqual(vector);
  });

  test('needs no more than nine digits for what a unit-length vector holds', () => {
    expect(vectorText(Float32Array.of(0.1, -0.25, 0.012345679))).toBe('[0.10000000,-0.25000000,0.012345679]');
  });

  test('an empty vector is a pair of brackets', () => {
    expect(vectorText(new Float32Array(0))).toBe('[]');
  });

  test.each([NaN, Infinity, -Infinity])('%s is refused', (value) => {
    expect(() => vectorText(Float32Array.of(0.5, value))).toThrow(RangeError);
  });
});

test('maxVectorBytes covers the longest texts there are', () => {
  const longest = new Float32Array(300).fill(-1.23456789e20);
  const target = new Uint8Array(maxVectorBytes(300));
  expect(writeVector(target, 0, longest)).toBeLessThanOrEqual(target.length);
});
