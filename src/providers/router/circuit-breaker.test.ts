import { expect, test } from 'vitest';
import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

const DOWN = unavailableError('down', 'the provider is down');
const fail = () => Promise.reject(DOWN);

function breaker() {
  const clock = { now: 0 };
  return { clock, breaker: new CircuitBreaker({ failures: 2, coolDownMs: 1000, now: () => clock.now }) };
}

test('opens after failures in a row, and a success between them starts the count anew', async () => {
  const { breaker: it } = breaker();
  await expect(it.run(fail)).rejects.toBe(DOWN);
  expect(await it.run(async () => 'fine')).toBe('fine');
  await expect(it.run(fail)).rejects.toBe(DOWN);
  expect(it.refusal).toBeNull();
  await expect(it.run(fail)).rejects.toBe(DOWN);
  expect(it.refusal).toBe(DOWN);
});

test('lets one call through after a while, whose result decides', async () => {
  const { clock, breaker: it } = breaker();
  for (let call = 0; call < 2; call += 1) await expect(it.run(fail)).rejects.toBe(DOWN);
  clock.now = 1000;
  expect(it.refusal).toBeNull();
  await it.run(async () => expect(it.refusal).toBe(DOWN)).catch(() => {});
  expect(it.refusal).toBeNull();

  for (let call = 0; call < 2; call += 1) await expect(it.run(fail)).rejects.toBe(DOWN);
  clock.now = 2000;
  await expect(it.run(fail)).rejects.toBe(DOWN);
  expect(it.refusal).toBe(DOWN);
  clock.now = 2999;
  expect(it.refusal).toBe(DOWN);
});

test.each([new DOMException('aborted', 'AbortError'), usageError('wrong', 'wrong'), new Error('a bug')])(
  'does not count %s, which says nothing of the provider',
  async (error) => {
    const { breaker: it } = breaker();
    const failing = async () => {
      throw error;
    };
    for (let call = 0; call < 5; call += 1) await expect(it.run(failing)).rejects.toBe(error);
    expect(it.refusal).toBeNull();
  },
);
