import { expect, test } from 'vitest';
import type { CheckResult } from './check.ts';
import { fail, ok, shownBytes, shownMs, skip, warn } from './check.ts';
import { checkCounts, checkLines } from './check-lines.ts';

const RESULTS: CheckResult[] = [
  { id: 'a', subject: 'database', durationMs: 1, ...ok('answers in 2 ms') },
  { id: 'b', subject: 'disk', durationMs: 1, ...warn('300 MB free', 'free some space') },
  { id: 'c', subject: 'store', durationMs: 1, ...fail('cannot be reached', 'start it') },
  { id: 'd', subject: 'collection', durationMs: 1, ...skip('the store cannot be used') },
  { id: 'e', subject: 'collection', durationMs: 1, ...skip('the store cannot be used') },
];

test('a line for each check, with the fix in it', () => {
  expect(checkLines(RESULTS, { symbols: false })).toEqual([
    'ok   database: answers in 2 ms',
    'warn disk: 300 MB free. Fix: free some space',
    'fail store: cannot be reached. Fix: start it',
    'skip collection: the store cannot be used',
    'skip collection: the store cannot be used',
  ]);
  expect(checkLines(RESULTS, { symbols: true }).map((line) => line.slice(0, 3))).toEqual([
    '✔ d',
    '! d',
    '✖ s',
    '- c',
    '- c',
  ]);
});

test('counts what there is', () => {
  expect(checkCounts(RESULTS)).toBe('1 ok, 1 warn, 1 fail, 2 skip');
  expect(checkCounts(RESULTS.slice(0, 1))).toBe('1 ok');
});

test.each([
  [0.3, 'less than 1 ms'],
  [12.4, '12 ms'],
  [9_999, '9999 ms'],
  [61_250, '61.3 s'],
])('%d ms is shown as %s', (ms, shown) => expect(shownMs(ms)).toBe(shown));

test.each([
  [0, '0 MB'],
  [67_108_864, '64 MB'],
  [80_637_543_219, '75.1 GB'],
])('%d bytes are shown as %s', (bytes, shown) => expect(shownBytes(bytes)).toBe(shown));
