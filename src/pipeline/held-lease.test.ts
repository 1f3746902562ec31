import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { waitOrAbort } from '../lifetime/abort.ts';
import type { Batch } from '../queue/work.ts';
import { LeaseLostError, whileLeased } from './held-lease.ts';

const LEASE_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount(), 'timers left behind').toBe(0);
  vi.useRealTimers();
});

function batch(): Batch {
  return {
    tenant: '1',
    entity: 'items',
    building: 0,
    leaseToken: '',
    runId: '',
    rows: [],
    last: { availableAtMicros: 0, key: '' },
    leaseValidUntil: performance.now() + LEASE_MS,
  };
}

/** Ends only when it is given up. */
const hanging = ({ signal }: { signal: AbortSignal }) => waitOrAbort(new Promise<never>(() => {}), signal);

test('a write within the lease gives what it gives', async () => {
  expect(await whileLeased(batch(), {}, async () => 'written')).toBe('written');
  const error = new Error('the store is full');
  await expect(whileLeased(batch(), {}, () => Promise.reject(error))).rejects.toBe(error);
});

test('nothing is written once the lease is over', async () => {
  const late = batch();
  await vi.advanceTimersByTimeAsync(LEASE_MS);
  const write = vi.fn(async () => {});
  await expect(whileLeased(late, {}, write)).rejects.toThrow(LeaseLostError);
  expect(write).not.toHaveBeenCalled();
});

test('a write that takes longer than the lease is given up when that ends, however often it was renewed', async () => {
  const renewed = batch();
  let ended = false;
  const write = expect(
    whileLeased(renewed, {}, hanging).finally(() => {
      ended = true;
    }),
  ).rejects.toThrow(LeaseLostError);
  for (let renewal = 0; renewal < 5; renewal += 1) {
    await vi.advanceTimersByTimeAsync(LEASE_MS / 2);
    renewed.leaseValidUntil = performance.now() + LEASE_MS;
  }
  await vi.advanceTimersByTimeAsync(LEASE_MS - 1);
  expect(ended).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await write;
});

test("the caller's signal ends it with its reason", async () => {
  const controller = new AbortController();
  const reason = new Error('stopped');
  const write = expect(whileLeased(batch(), { signal: controller.signal }, hanging)).rejects.toBe(reason);
  controller.abort(reason);
  await write;
  await expect(whileLeased(batch(), { signal: controller.signal }, hanging)).rejects.toBe(reason);
});
