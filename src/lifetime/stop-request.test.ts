import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StopError, StopRequest } from './stop-request.ts';

const SIGTERM = { name: 'SIGTERM', exitCode: 143 };
const SIGINT = { name: 'SIGINT', exitCode: 130 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('asks to take up nothing new at once, and gives up the rest after the grace', () => {
  using request = new StopRequest(5_000);
  expect([request.stop.aborted, request.abort.aborted, request.reason]).toEqual([false, false, undefined]);
  request.request(SIGTERM);
  expect([request.stop.aborted, request.abort.aborted, request.reason]).toEqual([true, false, SIGTERM]);
  vi.advanceTimersByTime(4_999);
  expect(request.abort.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(request.abort.aborted).toBe(true);
});

test('both steps carry the same error, which says why', () => {
  using request = new StopRequest(10);
  request.request(SIGTERM);
  vi.advanceTimersByTime(10);
  expect(request.stop.reason).toBeInstanceOf(StopError);
  expect(request.abort.reason).toBe(request.stop.reason);
  expect(request.stop.reason).toMatchObject({ message: 'stopped by SIGTERM', reason: SIGTERM });
});

test('the first reason wins, and its grace is not prolonged', () => {
  using request = new StopRequest(1_000);
  request.request(SIGTERM);
  vi.advanceTimersByTime(900);
  request.request(SIGINT);
  expect(request.reason).toBe(SIGTERM);
  vi.advanceTimersByTime(100);
  expect(request.abort.aborted).toBe(true);
  expect((request.abort.reason as StopError).reason).toBe(SIGTERM);
});

test('the grace can be set before a stop is requested', () => {
  using request = new StopRequest(1_000);
  request.graceMs = 0;
  request.request(SIGTERM);
  expect(request.abort.aborted).toBe(false);
  vi.advanceTimersByTime(0);
  expect(request.abort.aborted).toBe(true);
});

test('the grace can be set while one is under way, and counts from its beginning', () => {
  using request = new StopRequest(1_000);
  request.request(SIGTERM);
  vi.advanceTimersByTime(900);
  request.graceMs = 3_000;
  vi.advanceTimersByTime(2_099);
  expect(request.abort.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(request.abort.aborted).toBe(true);
  request.graceMs = 5_000;
  expect(vi.getTimerCount()).toBe(0);
});

test('whoever listens to the stop knows the reason already', () => {
  using request = new StopRequest(1_000);
  let seen: unknown;
  request.stop.addEventListener('abort', () => (seen = request.reason));
  request.request(SIGTERM);
  expect(seen).toBe(SIGTERM);
});

test('disposal ends the timer: nothing is aborted any more', () => {
  {
    using request = new StopRequest(1_000);
    request.request(SIGTERM);
    expect(vi.getTimerCount()).toBe(1);
  }
  expect(vi.getTimerCount()).toBe(0);
});
