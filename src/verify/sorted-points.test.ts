import { expect, it } from 'vitest';
import { pointId } from '../pipeline/point-id.ts';
import { SortedPoints } from './sorted-points.ts';
import type { ExpectedPoint } from './sorted-points.ts';

/** Points of two tenants with keys of several bytes a character, one hash empty. */
function somePoints(count: number): ExpectedPoint[] {
  return Array.from({ length: count }, (_none, number) => {
    const [tenant, key, chunk] = [number % 3 === 0 ? 'ü' : '1', `kéy-${number}`, number % 5];
    const textHash = number % 7 === 0 ? '' : 'f'.repeat(32);
    return { id: pointId(tenant, 'items', key, chunk), tenant, key, chunk, textHash };
  });
}

it.each([
  ['in memory', undefined],
  ['in a temporary file, written often', 2_000],
  ['in a temporary file, written at every point', 1],
])('gives back what was added in the order of the ids, %s', async (_name, memoryBytes) => {
  const points = somePoints(500);
  await using sorted = new SortedPoints(memoryBytes);
  for (const point of points) await sorted.add(point);
  const ordered: ExpectedPoint[] = [];
  for await (const page of sorted.inOrder()) {
    expect(page.length).toBeGreaterThan(0);
    ordered.push(...page);
  }
  expect(ordered).toEqual(points.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  expect(sorted.length).toBe(500);
});
