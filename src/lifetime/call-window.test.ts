import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openCallWindow } from './call-window.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('ends at its deadline, without a reason to throw', () => {
  using window = openCallWindow([undefined], 1000);
  vi.advanceTimersByTime(999);
  expect(window.signal.aborted).toBe(false);
  expect(window.remainingMs()).toBe(1);
  vi.advanceTimersByTime(1);
  expect(window.signal.aborted).toBe(true);
  expect(window.remainingMs()).toBe(0);
  expect(() => window.throwIfStopped()).not.toThrow();
});

test('ends with any of its signals, and throws the reason of that one', () => {
  const first = new AbortController();
  const second = new AbortController();
  using window = openCallWindow([first.signal, second.signal], 1000);
  second.abort(new Error('second'));
  expect(window.signal.aborted).toBe(true);
  expect(() => window.throwIfStopped()).toThrow('second');
});

test('has ended when a signal is aborted already', () => {
  using window = openCallWindow([AbortSignal.abort(new Error('before'))], 1000);
  expect(window.signal.aborted).toBe(true);
  expect(() => window.throwIfStopped()).toThrow('before');
});

test('leaves no timer and no listener', () => {
  const controller = new AbortController();
  const add = vi.spyOn(controller.signal, 'addEventListener');
  const remove = vi.spyOn(controller.signal, 'removeEventListener');
  openCallWindow([controller.signal], 1000)[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  expect(remove.mock.calls.map(([, listener]) => listener)).toEqual(
    add.mock.calls.map(([, listener]) => listener),
  );
});
