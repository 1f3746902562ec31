import { expect, test } from 'vitest';
import { formatMoney } from './money.ts';

test.each([
  [0, '0.00'],
  [12.345, '12.35'],
  [1, '1.00'],
  [0.5, '0.500'],
  [0.0366, '0.0366'],
  [0.00012345, '0.000123'],
  [2e-8, '0.0000000200'],
])('%s is shown as %s: never as nothing, never with more than a person can use', (amount, shown) => {
  expect(formatMoney(amount)).toBe(shown);
});
