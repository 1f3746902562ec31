import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { armExitWatchdog } from './exit-watchdog.ts';

test('tells what keeps the process alive', async () => {
  const resources = await new Promise<string[]>((resolve) => armExitWatchdog(1, resolve));
  expect(resources).toEqual(expect.arrayContaining([expect.any(String)]));
});

test('does not itself keep the process alive', () => {
  // The function as it is, in a process where nothing else is left.
  const script = `(${armExitWatchdog.toString()})(60_000, () => {})`;
  const { status, signal } = spawnSync(process.execPath, ['-e', script], { timeout: 5_000 });
  expect({ status, signal }).toEqual({ status: 0, signal: null });
});
