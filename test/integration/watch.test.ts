import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Watch } from '../../src/cli/watch.ts';
import type { WatchTimes } from '../../src/cli/watch.ts';
import { vectorize } from '../../src/pipeline/vectorize.ts';
import type { Target } from '../../src/pipeline/target.ts';
import { readClaimable } from '../../src/queue/read-claimable.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend } from '../helpers/backends.ts';
import { Items, vectorizeOptions } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const rows = (count: number, name = 'name'): ItemRow[] =>
  Array.from({ length: count }, (_each, index) => ({ id: `${index}`, name: `${name} ${index}`, body: 'b' }));

/** What is open at one moment differs by; something left by each pass would be several times as many. */
const SLACK = 20;

function collectGarbage(): void {
  setFlagsFromString('--expose_gc');
  (runInNewContext('gc') as () => void)();
}

for (const variant of availableBackends()) {
  describe(`a watch, on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const itemsOf = (given: readonly ItemRow[]) =>
      Items.create(backend, given, { collection: backend.testStore.name('watched') });

    /** A watch over one target that runs until the controller aborts. */
    function startWatch(items: Items, times: WatchTimes) {
      const controller = new AbortController();
      const { signal: stop } = controller;
      const targets: WeakRef<Target>[] = [];
      let sweeps = 0;
      const { database } = backend;
      const report = () => {};
      const watch = new Watch(
        {
          session: { database, tenants: [items.tenant], entities: [items.entity] },
          queuedOnly: false,
          retryFailed: false,
          stop,
          report,
          health: null,
          tidy: async () => (sweeps += 1),
          open: async () => {
            const target = await items.target();
            targets.push(new WeakRef(target));
            return { targets: [target], unopened: [] };
          },
          vectorize: (opened, options) =>
            vectorize({ ...backend, report }, opened, vectorizeOptions({ abort: stop, ...options })),
        },
        times,
      );
      const done = watch.run();
      done.catch(() => {});
      const end = async () => {
        controller.abort();
        return done;
      };
      return { stop, targets, end, sweeps: () => sweeps };
    }

    test('does what is queued as soon as it is committed, without a sweep', async () => {
      const items = await itemsOf(rows(3));
      const watch = startWatch(items, { sweepMs: 600_000 });
      await expect.poll(() => items.state(), { timeout: 20_000 }).toHaveLength(3);
      await expect.poll(() => items.queue()).toEqual([]);
      await items.table.set('1', 'name', 'changed');
      await items.table.put({ id: 'new', name: 'new', body: 'b' });
      await backend.database.query(
        `insert into vecpipe.queue (tenant, entity, key, operation)
          select $1, $2, key, 'upsert' from unnest($3::text[]) as k(key)`,
        [items.tenant, items.entity.name, ['1', 'new']],
      );
      await expect.poll(() => items.queue(), { timeout: 20_000 }).toEqual([]);
      expect(await items.differences()).toEqual([]);
      expect(watch.sweeps()).toBe(1);
      expect(await watch.end()).toMatchObject({ entities: [{ stored: 5, queued: 3 }], failures: [] });
    });

    test('finds by its sweeps what nobody has queued', async () => {
      const items = await itemsOf(rows(6));
      const watch = startWatch(items, { sweepMs: 50 });
      await expect.poll(() => items.state(), { timeout: 20_000 }).toHaveLength(6);
      await items.table.set('1', 'name', 'changed');
      await items.table.remove('2');
      await items.table.put({ id: 'new', name: 'new', body: 'b' });
      const keys = ['0', '1', '3', '4', '5', 'new'];
      await expect
        .poll(async () => (await items.state()).map(({ key }) => key), { timeout: 20_000 })
        .toEqual(keys);
      await expect.poll(() => items.differences(), { timeout: 20_000 }).toEqual([]);
      await watch.end();
    });

    test('holds nothing of the passes that it has made', async () => {
      const items = await itemsOf(rows(5));
      const watch = startWatch(items, { sweepMs: 1 });
      const passes = (count: number) =>
        expect.poll(() => watch.sweeps(), { timeout: 50_000, interval: 5 }).toBeGreaterThan(count);
      await passes(10);
      const resources = () => process.getActiveResourcesInfo().filter((name) => name !== 'Immediate').length;
      const before = { resources: resources(), listeners: getEventListeners(watch.stop, 'abort').length };
      for (let round = 1; round <= 10; round += 1) {
        await items.table.set('1', 'name', `changed for the ${round}th time`);
        await passes(10 + round * 10);
      }
      expect(resources()).toBeLessThanOrEqual(before.resources + SLACK);
      expect(getEventListeners(watch.stop, 'abort').length).toBeLessThanOrEqual(before.listeners + SLACK);
      const made = watch.targets.length;
      await expect
        .poll(() => {
          collectGarbage();
          return watch.targets.slice(0, made - 2).filter((target) => target.deref() !== undefined).length;
        })
        .toBe(0);
      const { entities, failures } = await watch.end();
      expect({ entities, failures }).toMatchObject({ entities: [{ unchanged: 5 }], failures: [] });
      expect(getEventListeners(watch.stop, 'abort')).toEqual([]);
    });

    test('work is what can be claimed now, of those who are asked for', async () => {
      const { database } = backend;
      const put = (tenant: string, entity: string, changes: string) =>
        database.execute(
          `insert into vecpipe.queue (tenant, entity, key, operation) values ('${tenant}', '${entity}', 'k', 'upsert');
           update vecpipe.queue set ${changes} where tenant = '${tenant}' and entity = '${entity}'`,
        );
      const token = 'lease_token = gen_random_uuid(), lease_run = gen_random_uuid()';
      await put('a', 'free', 'attempts = 1');
      await put('a', 'leased', `${token}, lease_until = now() + interval '1 minute'`);
      await put('a', 'lost', `${token}, lease_until = now() - interval '1 second'`);
      await put('a', 'later', `available_at = now() + interval '1 minute'`);
      await put('a', 'resting', `available_at = 'infinity'`);
      await put('a', 'unwanted', 'attempts = 1');
      await put('b', 'free', 'attempts = 1');
      await put('c', 'free', 'attempts = 1');
      const entities = ['free', 'leased', 'lost', 'later', 'resting', 'nothing'];
      const found = await readClaimable(database, ['a', 'b'], entities);
      expect(found.map(({ tenant, entity }) => `${tenant} ${entity}`).toSorted()).toEqual([
        'a free',
        'a lost',
        'b free',
      ]);
    });
  });
}
