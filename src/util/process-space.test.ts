import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { isProcessAlive, processSpace, processStartTicks } from './process-space.ts';

const hasProc = existsSync('/proc/self/stat');

test('this process is alive in its own space', () => {
  expect(isProcessAlive(processSpace(), process.pid, processStartTicks())).toBe(true);
  expect(isProcessAlive(processSpace(), process.pid, null)).toBe(true);
});

test('the space stays the same', () => {
  expect(processSpace()).toBe(processSpace());
  expect(processSpace().split('/')).toHaveLength(3);
});

test('a process that has ended is not alive', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  const { pid = 0 } = child;
  await once(child, 'exit');
  expect(isProcessAlive(processSpace(), pid, null)).toBe(false);
});

test.runIf(hasProc)('a process that waits to be reaped is not alive', async () => {
  // The shell starts a child and becomes another program, which never reaps; only then may the child end, or the
  // shell would reap it.
  const parent = spawn('sh', ['-c', 'cat <&3 >/dev/null & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  const [, stdout, , childInput] = parent.stdio;
  if (!stdout || !(childInput instanceof Writable)) throw new Error('a pipe was to be opened');
  try {
    const [output] = (await once(stdout, 'data')) as [Buffer];
    const zombie = Number(output.toString());
    await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim()).toBe('sleep');
    childInput.end();
    await expect.poll(() => isProcessAlive(processSpace(), zombie, null)).toBe(false);
    expect(() => process.kill(zombie, 0)).not.toThrow();
  } finally {
    parent.kill('SIGKILL');
  }
});

test.runIf(hasProc)('a process that got the id of one that has ended is told apart by its start', () => {
  const ticks = processStartTicks();
  expect(ticks).toBeGreaterThan(0);
  expect(isProcessAlive(processSpace(), process.pid, (ticks ?? 0) - 1)).toBe(false);
});

test.runIf(hasProc)('a process from before a restart of this host has ended', () => {
  const [host, , namespace] = processSpace().split('/');
  const space = [host, '00000000-0000-0000-0000-000000000000', namespace].join('/');
  expect(isProcessAlive(space, process.pid, null)).toBe(false);
});

test('a process that cannot be looked at counts as alive', () => {
  const [host, boot] = processSpace().split('/');
  expect(isProcessAlive(`${host}/${boot}/1`, 999_999_999, 1)).toBe(true);
  expect(isProcessAlive('another-host/another-boot/1', 999_999_999, 1)).toBe(true);
});

test('there are no start ticks of a process that does not exist', () => {
  expect(processStartTicks(999_999_999)).toBeNull();
});
