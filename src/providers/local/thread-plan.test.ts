import { expect, test } from 'vitest';
import { planThreads } from './thread-plan.ts';

const MEGABYTE = 1024 ** 2;
const CHOSEN = { workers: null, threads: null };
const plan = (
  config: { workers: number | null; threads: number | null },
  cores: number,
  freeMegabytes = 1e6,
) => Object.values(planThreads(config, 100 * MEGABYTE, cores, freeMegabytes * MEGABYTE));

test.each([
  [1, [1, 1]],
  [2, [2, 1]],
  [4, [4, 1]],
  [6, [4, 1]],
  [8, [4, 2]],
  [32, [4, 8]],
])('divides %i cores', (cores, expected) => {
  expect(plan(CHOSEN, cores)).toEqual(expected);
});

test('makes no more copies of the model than memory has room for', () => {
  expect(plan(CHOSEN, 8, 1300)).toEqual([2, 4]);
  expect(plan(CHOSEN, 8, 10)).toEqual([1, 8]);
});

test('takes what the config says', () => {
  expect(plan({ workers: 7, threads: 3 }, 2, 1)).toEqual([7, 3]);
  expect(plan({ workers: 2, threads: null }, 8)).toEqual([2, 4]);
  expect(plan({ workers: null, threads: 4 }, 8)).toEqual([2, 4]);
  expect(plan({ workers: null, threads: 16 }, 8)).toEqual([1, 16]);
});
