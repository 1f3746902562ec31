import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Entity } from '../../src/entities/entity.ts';
import { unavailableError } from '../../src/errors/vecpipe-error.ts';
import { planRows } from '../../src/pipeline/plan.ts';
import { queueChanges } from '../../src/pipeline/queue-changes.ts';
import { noCounts } from '../../src/pipeline/counts.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend } from '../helpers/backends.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items, runTargets } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const rows = (count: number): ItemRow[] =>
  Array.from({ length: count }, (_each, index) => ({
    id: `${index}`,
    name: `name ${index}`,
    body: 'b',
    tag: 'x',
  }));

/** What the queue, which knows neither source nor collection, must not lead to. */
for (const variant of availableBackends()) {
  describe(`the queue and what it knows nothing of, on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const itemsOf = (given: readonly ItemRow[], changes: Partial<Entity> = {}) =>
      Items.create(backend, given, { collection: backend.testStore.name('shared'), ...changes });

    /** Compares and queues as `sync` does, without working anything off. */
    async function queueAll(items: Items): Promise<void> {
      const { source, generation } = await items.target();
      const options = { deleteAll: false, dryRun: false };
      await queueChanges(backend.database, source, generation.id, noCounts(), options);
    }

    test('rows that vanish after they were queued pass the delete guard, or are not deleted', async () => {
      const items = await itemsOf(rows(10));
      await items.run();
      for (const { id } of rows(10)) await items.table.set(id, 'name', 'changed');
      await queueAll(items);
      await items.table.remove(...rows(10).map(({ id }) => id));

      const guarded = await items.run();
      expect(guarded.counts).toMatchObject({ deleted: 0 });
      expect(guarded.failures).toMatchObject([{ code: 'delete_guard' }]);
      expect(await items.points()).toHaveLength(10);

      const wanted = await items.run({ deleteAll: true });
      expect(wanted).toMatchObject({ failures: [], error: undefined, counts: { deleted: 10, pending: 0 } });
      expect(await items.points()).toEqual([]);
    });

    test('a row that vanishes after it was queued is gone when the run ends', async () => {
      const items = await itemsOf(rows(10));
      await items.run();
      await items.table.set('3', 'name', 'changed');
      const target = await items.target();
      const store = intercept(backend.store, {});
      await queueAll(items);
      await items.table.remove('3');
      expect(await runTargets({ ...backend, store }, [target])).toMatchObject({
        failures: [],
        error: undefined,
      });
      expect(target.counts.deleted).toBe(1);
      expect(await items.differences()).toEqual([]);
    });

    test('a dropped row that comes back as it was before is written again', async () => {
      const items = await itemsOf(rows(10));
      await items.run();
      await items.table.set('3', 'name', 'changed');
      await queueAll(items);
      await items.table.remove('3');
      await items.run({ queuedOnly: true });
      await items.table.put({ id: '3', name: 'name 3', body: 'b', tag: 'x' });
      expect((await items.run()).counts).toMatchObject({ stored: 1 });
      expect(await items.differences()).toEqual([]);
    });

    test('two runs with collections of their own both end with every row', async () => {
      const one = await itemsOf(rows(200));
      const other = one.with({ collection: backend.testStore.name('other') });
      const outcomes = await Promise.all([one.run(), other.run()]);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ failures: [], error: undefined });
      expect(await one.differences()).toEqual([]);
      expect(await other.differences()).toEqual([]);
    });

    test('rows that another collection’s run has queued do not pass for those that it took', async () => {
      const one = await itemsOf(rows(4));
      const other = one.with({ collection: backend.testStore.name('thief') });
      let isTaken = false;
      let isQueued = false;
      const context = {
        store: intercept(backend.store, {
          before: async ({ method }) => {
            if (method !== 'upsert' || isTaken) return;
            isTaken = true;
            // The two rows that are not leased.
            expect((await other.run({ limit: 2 })).counts).toMatchObject({ stored: 2 });
          },
        }),
        database: intercept(backend.database, {
          after: async ({ args: [sql] }) => {
            if (typeof sql !== 'string' || !sql.includes('with result as') || isQueued) return;
            isQueued = true;
            // The other two, which are done here: as many rows then come to an end as were found.
            await other.run({ limit: 0 });
          },
        }),
      };
      const outcome = await one.run({ batchSize: 2, batchesInFlight: 1 }, context);
      expect([isTaken, isQueued]).toEqual([true, true]);
      expect(outcome).toMatchObject({ error: undefined, failures: [] });
      expect(await one.differences()).toEqual([]);
    });

    test('a new collection is filled by a run that only works the queue off, too', async () => {
      const items = await itemsOf(rows(5));
      await items.run();
      const moved = items.with({ collection: backend.testStore.name('moved') });
      expect((await moved.run({ queuedOnly: true })).counts).toMatchObject({ stored: 5 });
      expect(await moved.differences()).toEqual([]);
    });

    test('a column that moves into the payload is written', async () => {
      const items = await itemsOf(rows(5));
      await items.run();
      const { counts } = await items.with({ payload: ['tag', 'name'] }).run();
      expect(counts).toMatchObject({ payloadOnly: 5, embedded: 0 });
      expect((await items.points())[2]?.payload).toMatchObject({ name: 'name 2', tag: 'x' });
      expect((await items.with({ payload: ['name'] }).run()).counts).toMatchObject({ payloadOnly: 5 });
      expect((await items.points())[2]?.payload).not.toHaveProperty('tag');
    });

    test('rows that failed are tried again in a collection that was built with another template', async () => {
      const items = await itemsOf(rows(3), {
        text: '{{ data }}',
        collection: backend.testStore.name('broken'),
      });
      for (const { id } of rows(3)) await items.table.set(id, 'data', '{"a":1}');
      expect((await items.run()).counts).toMatchObject({ failed: 3 });
      expect((await items.run()).counts).toMatchObject({ failed: 3, stored: 0 });
      const repaired = items.with({
        text: '{{ data | json }}',
        collection: backend.testStore.name('repaired'),
      });
      expect((await repaired.run()).counts).toMatchObject({ failed: 0, stored: 3, reused: 2 });
    });

    test('points that one target lost are noticed although another target fails', async () => {
      const fine = await itemsOf(rows(4));
      const broken = await itemsOf(rows(4));
      await fine.run();
      const { generation } = await fine.target();
      const row = { tenant: fine.tenant, entity: 'items', key: '2', fromChunk: 0 };
      await backend.store.deleteChunks(generation.physical, [row]);
      const down = unavailableError('store_unreachable', 'the store is down');
      const store = intercept(backend.store, {
        before: ({ method, args }) => {
          const [, points] = args as [string, { payload: { vecpipe: { tenant: string } } }[]];
          if (method === 'upsert' && points[0]?.payload.vecpipe.tenant === broken.tenant) throw down;
        },
      });
      const { failures } = await runTargets({ ...backend, store }, [
        await broken.target(),
        await fine.target(),
      ]);
      expect(failures.map(({ tenant, code }) => [tenant, code])).toEqual(
        expect.arrayContaining([
          [broken.tenant, 'store_unreachable'],
          [fine.tenant, 'points_missing'],
        ]),
      );
    });

    test('a dry run says what a refresh and another try would do', async () => {
      const items = await itemsOf(rows(4), {
        text: '{{ name }}{{ data }}',
        collection: backend.testStore.name('planned'),
      });
      await items.table.set('1', 'data', '{"a":1}');
      await items.run();
      await items.table.set('1', 'data', null);
      await items.run({ queuedOnly: true });
      const { source, generation } = await items.target();
      const plan = (changes: object) =>
        planRows(backend.database, source, generation.id, items.provider, {
          queuedOnly: true,
          deleteAll: false,
          refresh: false,
          retryFailed: false,
          limit: null,
          ...changes,
        });
      expect(await plan({})).toMatchObject({ embed: 0 });
      expect(await plan({ retryFailed: true })).toMatchObject({ embed: 1 });
      expect(await plan({ queuedOnly: false, refresh: true })).toMatchObject({ embed: 4 });
      expect((await items.run({ refresh: true })).counts).toMatchObject({ stored: 4 });
    });
  });
}
