import { expect, test } from 'vitest';
import { creditMicros, shareOut, wholeCredits } from './credits.ts';

test('a credit a token is a million for a million', () => {
  expect(wholeCredits(creditMicros(17, 1_000_000))).toBe(17);
});

test('what is less than a credit counts as one, and nothing as nothing', () => {
  expect([0, 1, 999_999, 1_000_000, 1_000_001].map(wholeCredits)).toEqual([0, 1, 1, 1, 2]);
});

test.each([
  [10, [1, 1, 1]],
  [1, [1, 1, 1]],
  [7, [0, 0]],
  [0, [3, 4]],
  [1_000_003, [3, 0, 5, 900, 1]],
])('%i is shared out over %j to the last millionth, each part in proportion', (micros, weights) => {
  const parts = shareOut(micros, weights);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  expect(parts.reduce((sum, part) => sum + part, 0)).toBe(micros);
  parts.forEach((part, index) => {
    const share = total > 0 ? (weights[index] ?? 0) / total : 1 / weights.length;
    expect(Math.abs(part - micros * share)).toBeLessThanOrEqual(1);
  });
});
