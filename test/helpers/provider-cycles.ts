import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect } from 'vitest';
import type { ProviderOptions } from '../../src/config/configure-provider.ts';

const SCRIPT = fileURLToPath(new URL('./provider-cycles-process.mjs', import.meta.url));
const MEGABYTE = 1024 * 1024;

interface Measured {
  rss: number;
  heapUsed: number;
  external: number;
  handles: string[];
}

/**
 * Cycles of opening, using and closing a provider in a process of its own, which has to end by itself and keep no
 * handle; memory may not grow with the cycles.
 * @param residentMegabytes what resident memory may move by, which is also the allocator's business
 */
export async function expectCleanCycles(
  options: ProviderOptions,
  cycles: number,
  residentMegabytes: number,
): Promise<void> {
  const { stdout, stderr } = await execa(
    process.execPath,
    ['--expose-gc', SCRIPT, JSON.stringify(options), String(cycles)],
    { timeout: 110_000 },
  );
  expect(stderr).toBe('');
  const { before, after } = JSON.parse(stdout) as { before: Measured; after: Measured };
  expect(after.handles).toEqual(before.handles);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(4 * MEGABYTE);
  expect(after.external - before.external).toBeLessThan(4 * MEGABYTE);
  expect(after.rss - before.rss).toBeLessThan(residentMegabytes * MEGABYTE);
}
