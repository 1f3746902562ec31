import { expect, it } from 'vitest';
import { pointId } from '../pipeline/point-id.ts';
import { PointIds } from './point-ids.ts';

it('gives the ids that points are written under, whatever their rows are called', () => {
  const names = ['', '1', 'a"b', '\\', '\n', 'ü', '漢字', '😀', '\u2028', 'x'.repeat(5_000)];
  for (const tenant of ['1', 'team-ü']) {
    const ids = new PointIds(tenant, 'projects');
    for (const key of names)
      for (const chunk of [0, 1, 4_294_967])
        expect(ids.of(key, chunk)).toBe(pointId(tenant, 'projects', key, chunk));
  }
});

it('keeps nothing of a longer key', () => {
  const ids = new PointIds('1', 'e');
  ids.of('a long key', 10);
  expect(ids.of('b', 0)).toBe(pointId('1', 'e', 'b', 0));
});
