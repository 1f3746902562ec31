import { expect, test } from 'vitest';
import { isPassingStatus, pauseAfterAttempt, retryAfterMs } from './qdrant-retry.ts';

test('pauses double up to five seconds, half of each by chance', () => {
  expect([1, 2, 3, 7, 50].map((attempt) => pauseAfterAttempt(attempt, 0, () => 1))).toEqual([
    100, 200, 400, 5000, 5000,
  ]);
  expect([1, 2, 3, 7, 50].map((attempt) => pauseAfterAttempt(attempt, 0, () => 0))).toEqual([
    50, 100, 200, 2500, 2500,
  ]);
});

test('a pause is never shorter than the server asked for', () => {
  expect(pauseAfterAttempt(1, 7000)).toBe(7000);
});

test('Retry-After is seconds or a date; anything else is no request', () => {
  const nowMs = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');
  expect(retryAfterMs('2', nowMs)).toBe(2000);
  expect(retryAfterMs('Wed, 21 Oct 2026 07:28:05 GMT', nowMs)).toBe(5000);
  expect(retryAfterMs('Wed, 21 Oct 2026 07:27:00 GMT', nowMs)).toBe(0);
  expect(retryAfterMs('soon', nowMs)).toBe(0);
  expect(retryAfterMs('-3', nowMs)).toBe(0);
  expect(retryAfterMs(undefined, nowMs)).toBe(0);
});

test('what may pass and what will not', () => {
  expect([408, 429, 500, 502, 503, 504].every(isPassingStatus)).toBe(true);
  expect([200, 400, 401, 404, 409, 413, 422, 501].some(isPassingStatus)).toBe(false);
});
