import { expect, test } from 'vitest';
import { shownDuration } from './shown-duration.ts';

test.each([
  [0, '0 s'],
  [840, '0.8 s'],
  [9_960, '10 s'],
  [12_400, '12 s'],
  [119_000, '119 s'],
  [300_000, '5 min'],
  [330_000, '5.5 min'],
  [7_200_000, '2 h'],
])('%i ms is %s', (durationMs, shown) => {
  expect(shownDuration(durationMs)).toBe(shown);
});
