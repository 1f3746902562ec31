import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectionName } from '../../src/entities/entity.ts';
import type { Entity } from '../../src/entities/entity.ts';
import { explainRow } from '../../src/pipeline/explain-row.ts';
import { pointId } from '../../src/pipeline/point-id.ts';
import { readStatus } from '../../src/pipeline/read-status.ts';
import { searchRows } from '../../src/pipeline/search-rows.ts';
import type { SearchTarget } from '../../src/pipeline/search-rows.ts';
import type { PointFilter } from '../../src/ports/vector-store.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { Items } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const row = (id: string, name: string, tag = 'x'): ItemRow => ({ id, name, body: '', tag });

for (const variant of availableBackends()) describeReading(variant);

function describeReading(variant: BackendVariant): void {
  describe(`reading on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const itemsOf = (given: readonly ItemRow[], changes: Partial<Entity> = {}) =>
      Items.create(backend, given, { collection: backend.testStore.name('shared'), ...changes });
    async function stored(given: readonly ItemRow[], changes: Partial<Entity> = {}): Promise<Items> {
      const items = await itemsOf(given, changes);
      await items.run();
      return items;
    }

    describe('a search', () => {
      const target = ({ tenant, entity, provider }: Items): SearchTarget => ({
        tenant,
        entity: entity.name,
        collection: collectionName(entity, tenant),
        provider,
      });
      const search = (
        targets: readonly SearchTarget[],
        text: string,
        options: { limit?: number; filter?: PointFilter['must'] } = {},
      ) => searchRows(backend.database, backend.store, targets, text, { limit: 10, filter: [], ...options });
      const keys = (found: Awaited<ReturnType<typeof search>>) =>
        found.map(({ point }) => point.payload.vecpipe.key);

      test('finds the nearest row first, with its score', async () => {
        const items = await stored([row('1', 'one'), row('2', 'two'), row('3', 'three')]);
        const found = await search([target(items)], 'two');
        expect(keys(found)[0]).toBe('2');
        expect(found[0]).toMatchObject({
          tenant: items.tenant,
          entity: 'items',
          score: expect.closeTo(1, 4) as number,
        });
        expect(found.map(({ score }) => score)).toEqual(
          found.map(({ score }) => score).toSorted((a, b) => b - a),
        );
        expect(await search([target(items)], 'two', { limit: 1 })).toHaveLength(1);
      });

      test('gives each row once, by its nearest chunk', async () => {
        const chunk = { maxTokens: 1, overlap: 0 };
        const items = await stored([row('1', 'a b c'), row('2', 'd')], {
          chunk,
          collection: backend.testStore.name('chunked'),
        });
        const found = await search([target(items)], 'b');
        expect(keys(found).toSorted()).toEqual(['1', '2']);
        expect(found[0]?.point.payload.vecpipe).toMatchObject({ key: '1', chunk: 1 });
      });

      test('never sees rows of another tenant, nor those that the filter leaves out', async () => {
        const own = await stored([row('1', 'one', 'x'), row('2', 'two', 'y')]);
        await stored([row('3', 'three', 'x')]);
        expect(keys(await search([target(own)], 'three')).toSorted()).toEqual(['1', '2']);
        const filter = [{ field: 'tag', anyOf: ['y'] }];
        expect(keys(await search([target(own)], 'one', { filter }))).toEqual(['2']);
      });

      test('over several targets puts their rows together, and embeds the text once a provider', async () => {
        const [one, other] = [await stored([row('1', 'one')]), await stored([row('2', 'two')])];
        one.provider.calls.length = 0;
        const targets = [target(one), { ...target(other), provider: one.provider }];
        expect(keys(await search(targets, 'two'))).toEqual(['2', '1']);
        expect(one.provider.texts).toEqual(['two']);
      });

      test('where nothing was stored, or for a text without meaning, says so', async () => {
        const items = await itemsOf([], { collection: backend.testStore.name('nowhere') });
        await expect(search([target(items)], 'one')).rejects.toMatchObject({
          family: 'usage',
          code: 'nothing_stored',
        });
        const filled = await stored([row('1', 'one')]);
        filled.provider.refused.set('?', { code: 'no_known_token', reason: 'no word of it is known' });
        await expect(search([target(filled)], '?')).rejects.toMatchObject({
          family: 'usage',
          code: 'query_refused',
        });
      });

      test('with another model is refused, also one of the same width', async () => {
        const items = await stored([row('1', 'one')]);
        const provider = new FakeProvider({ modelId: 'fake/other' });
        await expect(search([{ ...target(items), provider }], 'one')).rejects.toMatchObject({
          family: 'usage',
          code: 'model_mismatch',
        });
      });

      test('with a provider of another width is refused', async () => {
        const items = await stored([row('1', 'one')]);
        const provider = new FakeProvider({ dimensions: 4 });
        await expect(search([{ ...target(items), provider }], 'one')).rejects.toMatchObject({
          family: 'usage',
          code: 'width_mismatch',
        });
      });
    });

    describe('an explanation', () => {
      const chunk = { maxTokens: 2, overlap: 0 };
      const explain = async (items: Items, key: string) => {
        const source = await openRowSource(backend.database, items.entity, items.tenant);
        const collection = collectionName(items.entity, items.tenant);
        return explainRow(backend.database, backend.store, items.provider, source, collection, key, {});
      };
      const start = () =>
        stored([row('1', 'a b c'), row('2', 'd')], {
          chunk,
          collection: backend.testStore.name('explained'),
        });

      test('of a stored row has its text, chunks, state and points', async () => {
        const items = await start();
        const ids = [0, 1].map((number) => pointId(items.tenant, 'items', '1', number));
        const explanation = await explain(items, '1');
        expect(explanation).toMatchObject({
          key: '1',
          problem: null,
          queue: null,
          row: {
            label: '1',
            text: 'a b c',
            tokens: 3,
            payload: { tag: 'x' },
            chunks: [
              { pointId: ids[0], tokens: 2 },
              { pointId: ids[1], tokens: 1 },
            ],
          },
          state: { chunks: 2, storedAt: expect.any(Date) as Date },
        });
        expect(explanation?.row?.textHash).toBe(explanation?.state?.textHash);
        expect(explanation?.storedPoints.toSorted()).toEqual(ids.toSorted());
      });

      test('of a row that waits, of one that failed and of one that is gone tells what is known', async () => {
        const items = await start();
        items.provider.refused.set('bad', { code: 'no_known_token', reason: 'no word of it is known' });
        await items.table.put(row('3', 'bad'));
        await items.run();
        await items.table.put(row('4', 'new'));
        await items.table.remove('2');
        await items.run({ limit: 0, deleteAll: true });
        expect(await explain(items, '3')).toMatchObject({
          state: null,
          storedPoints: [],
          queue: { failed: true, code: 'no_known_token' },
        });
        expect(await explain(items, '4')).toMatchObject({
          state: null,
          queue: { operation: 'upsert', failed: false, leased: false, attempts: 0 },
        });
        expect(await explain(items, '2')).toMatchObject({
          row: null,
          state: { chunks: 1 },
          storedPoints: [pointId(items.tenant, 'items', '2', 0)],
          queue: { operation: 'delete' },
        });
      });

      test('of a key that nobody knows is none', async () => {
        expect(await explain(await start(), 'nobody')).toBeNull();
      });
    });

    test('the status counts rows, points, queue and failures of its own tenant', async () => {
      await stored([row('1', 'of another')]);
      const items = await itemsOf([row('1', 'one'), row('2', ''), row('3', 'bad'), row('4', 'worse')]);
      const source = await openRowSource(backend.database, items.entity, items.tenant);
      const status = () =>
        readStatus(backend.database, backend.store, source, collectionName(items.entity, items.tenant), {});
      for (const text of ['bad', 'worse'])
        items.provider.refused.set(text, { code: 'no_known_token', reason: 'unknown' });
      await items.run();
      await items.table.put(row('5', 'new'));
      await items.run({ limit: 0 });
      expect(await status()).toEqual({
        tenant: items.tenant,
        entity: 'items',
        collection: items.entity.collection,
        rows: 5,
        stored: 2,
        recordedPoints: 1,
        points: 1,
        pending: 3,
        leased: 0,
        failed: 2,
        failures: [{ code: 'no_known_token', rows: 2, example: '3' }],
      });
    });

    test('the status before the first run knows of no points', async () => {
      const items = await itemsOf([row('1', 'one')], { collection: backend.testStore.name('never') });
      const source = await openRowSource(backend.database, items.entity, items.tenant);
      expect(
        await readStatus(backend.database, backend.store, source, items.entity.collection, {}),
      ).toMatchObject({
        rows: 1,
        stored: 0,
        recordedPoints: 0,
        points: null,
      });
    });
  });
}
