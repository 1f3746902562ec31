import { expect, test } from 'vitest';
import { qdrantFilter } from './qdrant-filter.ts';

test('no conditions are no filter', () => {
  expect(qdrantFilter(undefined)).toBeUndefined();
  expect(qdrantFilter({ must: [] })).toBeUndefined();
});

test('each kind of value has its own form, joined by should', () => {
  expect(
    qdrantFilter({
      must: [
        { field: 'vecpipe.tenant', anyOf: ['1', '2'] },
        { field: 'a b.c', anyOf: ['x', 7, 0.5, true, 2 ** 60] },
      ],
    }),
  ).toEqual({
    must: [
      { key: 'vecpipe.tenant', match: { any: ['1', '2'] } },
      {
        should: [
          { key: '"a b".c', match: { any: ['x'] } },
          { key: '"a b".c', match: { any: [7] } },
          { key: '"a b".c', range: { gte: 0.5, lte: 0.5 } },
          { key: '"a b".c', range: { gte: 2 ** 60, lte: 2 ** 60 } },
          { key: '"a b".c', match: { value: true } },
        ],
      },
    ],
  });
});

test('a condition without values matches nothing', () => {
  expect(qdrantFilter({ must: [{ field: 'a', anyOf: [] }] })).toEqual({
    must: [{ key: 'a', match: { any: [] } }],
  });
});
