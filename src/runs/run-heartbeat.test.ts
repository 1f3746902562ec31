import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CallOptions, Queryable } from '../ports/database.ts';
import { startHeartbeat } from './run-heartbeat.ts';

const INTERVAL_MS = 20_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function databaseWith(query: (options: CallOptions | undefined) => Promise<never>): Queryable {
  return { query: (_sql, _values, options) => query(options), execute: () => Promise.resolve() };
}

test('beats every 20 seconds, also when a beat fails', async () => {
  const query = vi.fn(() => Promise.reject(new Error('the database is away')));
  const heartbeat = startHeartbeat(databaseWith(query), 'id');
  await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS);
  expect(query).toHaveBeenCalledTimes(3);
  await heartbeat[Symbol.asyncDispose]();
  await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS);
  expect(query).toHaveBeenCalledTimes(3);
  expect(vi.getTimerCount()).toBe(0);
});

test('has one beat under way at the most, and waits for it to be given up before it ends', async () => {
  let underWay = 0;
  const query = vi.fn(({ signal }: CallOptions = {}) => {
    underWay += 1;
    return new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        underWay -= 1;
        reject(new Error('given up'));
      });
    });
  });
  const heartbeat = startHeartbeat(databaseWith(query), 'id');
  await vi.advanceTimersByTimeAsync(3 * INTERVAL_MS);
  expect(query).toHaveBeenCalledTimes(1);
  expect(underWay).toBe(1);
  await heartbeat[Symbol.asyncDispose]();
  expect(underWay).toBe(0);
});
