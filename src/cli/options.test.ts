import { expect, test } from 'vitest';
import { duration } from './options.ts';

test.each([
  ['500ms', 500],
  ['20s', 20_000],
  ['1.5s', 1_500],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['0s', 0],
  ['500h', 1_800_000_000],
])('a duration %s has %d ms', (text, durationMs) => {
  expect(duration(text)).toBe(durationMs);
});

test.each(['', '20', 's', '-1s', '+1s', '1 s', '1S', '1e3s', '1m30s', '.5s', 'toString', '1d', 'Infinitys'])(
  '%j is not a duration',
  (text) => {
    expect(() => duration(text)).toThrow('It must be a number with a unit');
  },
);

test('a duration that no timer can wait is refused', () => {
  expect(() => duration('501h')).toThrow('It must be at most 500h.');
  expect(() => duration(`${'9'.repeat(400)}s`)).toThrow('It must be at most 500h.');
});
