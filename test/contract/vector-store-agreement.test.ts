import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PointFilter } from '../../src/ports/vector-store.ts';
import { availableStores, type TestStore } from '../helpers/stores.ts';
import { makePoint, randomVector, seededRandom } from './vector-store-points.ts';

const variants = availableStores();
const together = variants.length > 1 ? describe : describe.skip;
if (variants.length < 2) console.warn('skipped: whether the stores agree, because there is only one');

together(variants.map(({ name }) => name).join(', '), () => {
  const random = seededRandom(2026);
  const points = Array.from({ length: 2000 }, (_, index) => ({
    ...makePoint(
      index,
      {
        size: index % 11,
        ratio: (index % 4) / 2,
        tags: [`a${index % 3}`, `b${index % 5}`],
        on: index % 2 === 0,
      },
      { tenant: `t${index % 6}` },
    ),
    vector: randomVector(random, 64),
  }));
  let stores: { test: TestStore; collection: string }[];

  beforeAll(async () => {
    stores = await Promise.all(
      variants.map(async (variant) => {
        const test = await variant.create();
        const collection = test.name('agreement');
        await test.store.createCollection(collection, 64);
        await test.store.upsert(collection, points);
        return { test, collection };
      }),
    );
  });
  afterAll(async () => {
    for (const { test } of stores) await test[Symbol.asyncDispose]();
  });

  const filters: [string, PointFilter['must']][] = [
    ['no filter', []],
    ['a tenant', [{ field: 'vecpipe.tenant', anyOf: ['t3'] }]],
    ['a fraction', [{ field: 'ratio', anyOf: [0.5, 1.5] }]],
    [
      'a number and a truth',
      [
        { field: 'size', anyOf: [1, 2, 3] },
        { field: 'on', anyOf: [false] },
      ],
    ],
    ['one of a list', [{ field: 'tags', anyOf: ['b4', 'a0'] }]],
    ['text or number', [{ field: 'size', anyOf: ['1', 4] }]],
  ];

  test.each(filters)(
    'find the same points in the same order with the same scores: %s',
    async (_name, must) => {
      for (let round = 0; round < 5; round++) {
        const query = randomVector(random, 64);
        const [first, ...others] = await Promise.all(
          stores.map(({ test, collection }) =>
            test.store.search(collection, query, { limit: 25, filter: { must } }),
          ),
        );
        expect(first).toHaveLength(25);
        for (const other of others) {
          expect(other.map(({ id }) => id)).toEqual(first?.map(({ id }) => id));
          expect(other.map(({ payload }) => payload)).toEqual(first?.map(({ payload }) => payload));
          for (const [index, { score }] of other.entries()) {
            expect(Math.abs(score - (first?.[index]?.score ?? NaN))).toBeLessThan(1e-5);
          }
        }
      }
    },
  );

  test.each(filters)('count the same and list the same: %s', async (_name, must) => {
    const counts = await Promise.all(
      stores.map(({ test, collection }) => test.store.count(collection, { filter: { must } })),
    );
    const pages = await Promise.all(
      stores.map(({ test, collection }) => test.store.scroll(collection, { limit: 3000, filter: { must } })),
    );
    expect(new Set(counts)).toEqual(new Set([pages[0]?.length]));
    for (const page of pages) expect(page).toEqual(pages[0]);
  });

  test('hold the same vectors', async () => {
    const pages = await Promise.all(
      stores.map(({ test, collection }) => test.store.scroll(collection, { limit: 3000, withVectors: true })),
    );
    let largest = 0;
    for (const page of pages) {
      for (const [index, { vector }] of page.entries()) {
        for (const [at, value] of (vector ?? []).entries()) {
          largest = Math.max(largest, Math.abs(value - (pages[0]?.[index]?.vector?.[at] ?? NaN)));
        }
      }
    }
    expect(largest).toBeLessThan(1e-7);
  });
});
