import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectionName } from '../../src/entities/entity.ts';
import { rollBack } from '../../src/reindex/rollback.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { installTriggers } from '../../src/triggers/install-triggers.ts';
import { triggerDefinition } from '../../src/triggers/trigger-definition.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items, NEVER, queueOf } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const items = (...ids: readonly number[]): ItemRow[] =>
  ids.map((id) => ({ id: String(id), name: `name ${id}`, body: `body ${id}`, tag: 'x', note: 'n' }));

for (const variant of availableBackends()) describeRuns(variant);

function describeRuns(variant: BackendVariant): void {
  describe(`vectorize over triggers on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    /** Ten rows with triggers that were stored and compared, and runs that tell how often they compared. */
    async function watchedItems() {
      const { database, store } = backend;
      const collection = backend.testStore.name('watched');
      const rows = items(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
      const one = await Items.create({ database, store }, rows, { collection });
      const definition = triggerDefinition(await openRowSource(database, one.entity, one.tenant));
      if (definition === null) throw new Error('a table was to have triggers');
      await installTriggers(database, definition, { dryRun: false });
      let comparisons = 0;
      const counting = intercept(database, {
        before: ({ method }) => {
          // A comparison is the one thing that takes a transaction of its own for its planner settings.
          if (method === 'transaction') comparisons += 1;
        },
      });
      const run = async (...[changes]: Parameters<Items['run']>) => {
        comparisons = 0;
        const outcome = await one.run(changes, { database: counting });
        expect(outcome.error).toBeUndefined();
        return { outcome, comparisons, codes: outcome.failures.map(({ code }) => code) };
      };
      expect((await run()).comparisons).toBeGreaterThan(0);
      const keys = async () => (await one.points()).map(({ key }) => Number(key)).toSorted((a, b) => a - b);
      const queue = () => queueOf(database, one.tenant);
      return { one, table: one.table, run, keys, queue };
    }

    test('compares nothing, and does what the triggers have queued', async () => {
      const { table, run, keys, queue } = await watchedItems();
      await table.put(...items(11), { id: '2', name: 'changed' });
      await table.remove('3');
      await table.set('4', 'note', 'not used');
      const { outcome, comparisons } = await run();
      expect(comparisons).toBe(0);
      expect(outcome.counts).toMatchObject({ stored: 2, deleted: 1, unchanged: 0, pending: 0 });
      expect(await keys()).toEqual([1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect(await queue()).toEqual([]);
    });

    test('compares after a rollback, since what was queued was done for the other generation', async () => {
      const { one, table, run } = await watchedItems();
      const { database, store } = backend;
      const next = one.with({}, new FakeProvider({ modelId: 'fake/other', dimensions: 12 }));
      expect(await next.reindex()).toMatchObject({ error: undefined, isSwapped: true });
      await table.put({ id: '2', name: 'changed' });
      expect((await next.run()).counts).toMatchObject({ embedded: 1 });
      const source = await openRowSource(database, one.entity, one.tenant);
      const unit = {
        collection: collectionName(one.entity, one.tenant),
        entity: one.entity.name,
        sources: [source],
      };
      await rollBack({ database, store, report: () => {} }, unit, {
        runId: randomUUID(),
        deleteAll: false,
        stop: NEVER,
      });
      expect((await run()).outcome.counts).toMatchObject({ embedded: 1 });
      expect(await one.differences()).toEqual([]);
      expect((await run()).comparisons).toBe(0);
    });

    test('compares when every row is to be written again', async () => {
      const { run } = await watchedItems();
      const { outcome, comparisons } = await run({ refresh: true });
      expect(comparisons).toBeGreaterThan(0);
      expect(outcome.counts.stored).toBe(10);
    });

    test('holds deletes of more than a fifth of the rows until they are asked for, and does the rest', async () => {
      const { table, run, keys, queue } = await watchedItems();
      await table.remove('1', '2', '3');
      await table.put(...items(12));
      for (const queuedOnly of [false, true]) {
        const { codes, comparisons } = await run({ queuedOnly });
        expect([codes, comparisons]).toEqual([['delete_guard'], 0]);
        expect(await keys()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
        expect(await queue()).toHaveLength(3);
      }
      expect((await run({ deleteAll: true })).codes).toEqual([]);
      expect(await keys()).toEqual([4, 5, 6, 7, 8, 9, 10, 12]);
      expect(await queue()).toEqual([]);
    });

    test('holds what an emptied table would delete, again and again', async () => {
      const { table, run, keys } = await watchedItems();
      await backend.database.execute(`truncate ${table.sql}`);
      for (let round = 0; round < 2; round += 1) {
        const { codes, comparisons } = await run();
        expect(codes).toEqual(['delete_guard']);
        expect(comparisons).toBeGreaterThan(0);
        expect(await keys()).toHaveLength(10);
      }
      expect((await run({ deleteAll: true })).codes).toEqual([]);
      expect(await keys()).toEqual([]);
      // A collection without any point may have been lost, and is compared in any case: it gets one first.
      await table.put(...items(20));
      await run();
      expect((await run()).comparisons).toBe(0);
      expect(await keys()).toEqual([20]);
    });

    test('compares again where a queued row was gone when its turn came', async () => {
      const { one, table, run, keys } = await watchedItems();
      // What a session without triggers does.
      await table.set('5', 'name', 'changed');
      await backend.database.execute(
        `alter table ${table.sql} disable trigger user; delete from ${table.sql} where id = '5'; alter table ${table.sql} enable trigger user`,
      );
      const { comparisons } = await run();
      expect(comparisons).toBeGreaterThan(0);
      expect(await keys()).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 10]);
      expect(await one.points()).toHaveLength(9);
    });
  });
}
