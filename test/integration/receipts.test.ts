import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Entity } from '../../src/entities/entity.ts';
import { seededRandom } from '../contract/vector-store-points.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const rows = (count: number): ItemRow[] =>
  Array.from({ length: count }, (_, index) => ({ id: String(index + 10), name: `name ${index}`, tag: 'x' }));

function priced(changes: Partial<FakeProvider> = {}): FakeProvider {
  return Object.assign(new FakeProvider({ maxBatchSize: 3 }), { pricePerMillionTokens: 5 }, changes);
}

for (const variant of availableBackends()) describeReceipts(variant);

function describeReceipts(variant: BackendVariant): void {
  describe(`bought vectors on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const itemsOf = (given: readonly ItemRow[], provider: FakeProvider, changes: Partial<Entity> = {}) =>
      Items.create(backend, given, { collection: backend.testStore.name('receipts'), ...changes }, provider);

    async function count(table: 'receipts' | 'kept_vectors', { tenant }: Items): Promise<number> {
      const { rows: counted } = await backend.database.query<{ rows: number }>(
        `select count(*) as rows from vecpipe.${table} where tenant = $1`,
        [tenant],
      );
      return counted[0]?.rows ?? -1;
    }

    /** The backend, with a store that fails at its nth write. */
    const failingAt = (nth: number) => {
      let writes = 0;
      return {
        store: intercept(backend.store, {
          before: ({ method }) => {
            if (method !== 'upsert') return;
            writes += 1;
            if (writes >= nth) throw new Error('the process died');
          },
        }),
      };
    };

    test('are not bought again after a death between paying and storing, and gone once they are stored', async () => {
      const provider = priced();
      const items = await itemsOf(rows(7), provider);
      const first = await items.run({ batchSize: 4, batchesInFlight: 1 }, failingAt(2));
      expect(first.error).toBeInstanceOf(Error);
      expect(first.counts.cost).toBeCloseTo((7 * 2 * 5) / 1e6);
      expect(await count('receipts', items)).toBe(3);

      const second = await items.run();
      expect(second).toMatchObject({
        error: undefined,
        counts: { stored: 3, reused: 3, tokens: 0, cost: 0 },
      });
      expect(provider.texts.toSorted()).toEqual(rows(7).flatMap(({ name }) => name ?? []));
      expect(await items.differences()).toEqual([]);
      expect(await count('receipts', items)).toBe(0);
    });

    test('are not bought twice whichever write the process dies at, again and again', async () => {
      const random = seededRandom(11);
      const provider = priced();
      const items = await itemsOf(rows(20), provider, {
        chunk: { maxTokens: 1, overlap: 0 },
        collection: backend.testStore.name('chunked'),
      });
      for (let death = 0; death < 8; death += 1) {
        await items.run({ batchSize: 3, batchesInFlight: 3 }, failingAt(1 + Math.floor(random() * 3)));
        await items.expireLeases();
      }
      expect((await items.run()).error).toBeUndefined();
      expect(await items.differences()).toEqual([]);
      expect(provider.texts.toSorted()).toEqual([...new Set(provider.texts)].toSorted());
      expect(await count('receipts', items)).toBe(0);
    });

    test('stay while a row of their batch is not done: a change of its payload alone buys nothing', async () => {
      const provider = priced();
      const items = await itemsOf(rows(2), provider);
      let isChanged = false;
      const store = intercept(backend.store, {
        before: async ({ method }) => {
          if (method !== 'upsert' || isChanged) return;
          isChanged = true;
          await items.table.set('10', 'tag', 'y');
          // What a trigger or another run does: the row is queued again while it is worked on.
          await backend.database.query(
            `update vecpipe.queue set version = version + 1 where tenant = $1 and key = '10'`,
            [items.tenant],
          );
        },
      });
      await items.run({ limit: 2 }, { store });
      expect(await count('receipts', items)).toBe(2);
      const later = await items.run();
      expect(later).toMatchObject({ error: undefined, counts: { reused: 1, tokens: 0 } });
      expect(await items.differences()).toEqual([]);
      expect(provider.texts).toHaveLength(2);
    });

    test('are not kept where they cost nothing', async () => {
      const items = await itemsOf(rows(2), new FakeProvider());
      await items.run({}, failingAt(1));
      expect(await count('receipts', items)).toBe(0);
    });

    test('of one tenant are never another’s, and those of one model never another’s', async () => {
      const provider = priced({ keepVectorsBytes: 1e6 });
      const items = await itemsOf(rows(2), provider);
      await items.run();
      const other = await itemsOf(rows(2), provider);
      await other.run();
      expect(provider.texts).toHaveLength(4);
      const otherModel = Object.assign(new FakeProvider({ modelId: 'other' }), { keepVectorsBytes: 1e6 });
      const moved = items.with({ collection: backend.testStore.name('other') }, otherModel);
      expect(await moved.run()).toMatchObject({ error: undefined, counts: { embedded: 2, reused: 0 } });
    });

    test('that are kept serve a text that comes back, and another collection of the same model', async () => {
      const provider = priced({ keepVectorsBytes: 1e6 });
      const items = await itemsOf(rows(3), provider);
      await items.run();
      await items.table.set('10', 'name', 'changed');
      await items.run();
      await items.table.set('10', 'name', 'name 0');
      expect((await items.run()).counts).toMatchObject({
        stored: 1,
        reused: 1,
        embedded: 0,
        tokens: 0,
        cost: 0,
      });
      expect(provider.texts).toHaveLength(4);
      expect(await items.differences()).toEqual([]);
      const beside = items.with({ collection: backend.testStore.name('beside') });
      expect((await beside.run()).counts).toMatchObject({ stored: 3, reused: 3, embedded: 0 });
      expect(await beside.differences()).toEqual([]);
      expect(await count('receipts', items)).toBe(0);
      expect(await count('kept_vectors', items)).toBe(4);
    });

    test('that are kept stay within their limit, the longest unused going first', async () => {
      const vectorBytes = 8 * 4;
      const provider = priced({ keepVectorsBytes: 3 * vectorBytes });
      const items = await itemsOf(rows(2), provider);
      await items.run();
      await backend.database.query(
        `update vecpipe.kept_vectors set used_at = now() - interval '1 day' where tenant = $1`,
        [items.tenant],
      );
      await items.table.set('10', 'name', 'second');
      await items.run();
      await items.table.set('10', 'name', 'third');
      await items.run();
      expect(await count('kept_vectors', items)).toBe(3);
      await items.table.set('10', 'name', 'second');
      expect((await items.run()).counts).toMatchObject({ reused: 1, embedded: 0 });
    });

    test('that nobody came back for are swept', async () => {
      const items = await itemsOf(rows(2), priced());
      await items.run({}, failingAt(1));
      expect(await count('receipts', items)).toBe(2);
      await backend.database.query(
        `update vecpipe.receipts set kept_at = now() - interval '8 days' where tenant = $1`,
        [items.tenant],
      );
      const other = items.with({ name: 'others', collection: backend.testStore.name('others') }, priced());
      await other.run({ limit: 0 });
      expect(await count('receipts', items)).toBe(0);
    });

    test('are written before anything is sent to the store', async () => {
      const items = await itemsOf(rows(3), priced());
      const kept: number[] = [];
      const store = intercept(backend.store, {
        before: async ({ method }) => {
          if (method === 'upsert') kept.push(await count('receipts', items));
        },
      });
      expect((await items.run({ batchSize: 3 }, { store })).error).toBeUndefined();
      expect(kept).toEqual([3]);
    });
  });
}
