import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectionName } from '../../src/entities/entity.ts';
import type { Entity } from '../../src/entities/entity.ts';
import { unavailableError } from '../../src/errors/vecpipe-error.ts';
import { fingerprintOf } from '../../src/pipeline/fingerprint.ts';
import { abandonOthers } from '../../src/reindex/claim-generation.ts';
import { healAlias } from '../../src/pipeline/generation.ts';
import { dropExpired, dropRetired } from '../../src/reindex/drop-generations.ts';
import { readGenerations } from '../../src/reindex/generation-records.ts';
import type { GenerationRecord } from '../../src/reindex/generation-records.ts';
import { holdClaims } from '../../src/reindex/hold-claims.ts';
import { restoreLoads } from '../../src/reindex/load-profile.ts';
import { rollBack } from '../../src/reindex/rollback.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import { recordRunEnd, recordRunStart } from '../../src/runs/record-run.ts';
import { queueDifference } from '../../src/sources/rows/difference.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider, fakeVector } from '../helpers/fake-provider.ts';
import { Gate } from '../helpers/gate.ts';
import { intercept } from '../helpers/intercept.ts';
import { itemText, Items, NEVER, pointsOf, sameDirection } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const row = (id: string | number, changes: Partial<ItemRow> = {}): ItemRow => ({
  id: String(id),
  name: `name ${id}`,
  body: `body of ${id}`,
  tag: 'x',
  ...changes,
});
const rows = (count: number) => Array.from({ length: count }, (_, index) => row(index + 1));
/** The same text for every row whose name is not `odd`. */
const OTHER_TEMPLATE = `{% if name == 'odd' %}odd: {{ body }}{% else %}{{ name }}\n{{ body }}{% endif %}`;
const otherModel = () => new FakeProvider({ modelId: 'fake/other', dimensions: 12 });

for (const variant of availableBackends()) describeReindex(variant);

function describeReindex(variant: BackendVariant): void {
  describe(`reindex on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    async function stored(given: readonly ItemRow[], entity: Partial<Entity> = {}): Promise<Items> {
      const collection = backend.testStore.name(`c${randomUUID().slice(0, 8)}`);
      const items = await Items.create(backend, given, { collection, ...entity });
      const { error } = await items.run();
      expect(error).toBeUndefined();
      return items;
    }
    const generationsOf = ({ entity, tenant }: Items): Promise<GenerationRecord[]> =>
      readGenerations(backend.database, backend.store.location, collectionName(entity, tenant));
    const statuses = async (items: Items) =>
      (await generationsOf(items)).map(({ number, status }) => `${number} ${status}`);
    const physicals = async ({ entity, tenant }: Items) => {
      const prefix = `${collectionName(entity, tenant)}__`;
      return (await backend.store.listCollections()).filter((name) => name.startsWith(prefix));
    };
    const buildingWork = async ({ tenant }: Items) => {
      const { rows: found } = await backend.database.query<{ key: string }>(
        'select key from vecpipe.queue where tenant = $1 and building <> 0',
        [tenant],
      );
      return found.length;
    };
    const rollback = async ({ entity, tenant }: Items, deleteAll = false) => {
      const source = await openRowSource(backend.database, entity, tenant);
      const unit = { collection: collectionName(entity, tenant), entity: entity.name, sources: [source] };
      const context = { ...backend, database: backend.database, store: backend.store, report: () => {} };
      return rollBack(context, unit, { runId: randomUUID(), deleteAll, stop: NEVER });
    };

    test('builds the next generation with another model and width, moves the alias and keeps the old one', async () => {
      const items = await stored(rows(25));
      const next = items.with({}, otherModel());
      const outcome = await next.reindex();
      expect(outcome).toMatchObject({ error: undefined, failures: [], isSwapped: true, generation: 2 });
      expect(outcome.counts).toMatchObject({ embedded: 25, stored: 25, failed: 0, pending: 0 });
      expect(await next.differences()).toEqual([]);
      expect(await statuses(items)).toEqual(['2 live', '1 retired']);
      expect(await buildingWork(items)).toBe(0);
      const again = await next.run();
      expect(again.counts).toMatchObject({ unchanged: 25, embedded: 0, queued: 0 });
    });

    test('buys only the texts that are others, and copies the rest with the new identity', async () => {
      const items = await stored([...rows(30), row(31, { name: 'odd' }), row(32, { name: 'odd' })]);
      items.provider.calls.length = 0;
      const next = items.with({ text: OTHER_TEMPLATE });
      const { counts, error } = await next.reindex();
      expect(error).toBeUndefined();
      expect(next.provider.texts.toSorted()).toEqual(['odd: body of 31', 'odd: body of 32']);
      expect(counts).toMatchObject({ embedded: 2, reused: 30, stored: 32 });
      const [live] = await generationsOf(items);
      const points = await next.points();
      expect(points).toHaveLength(32);
      for (const { key, vector, payload } of points) {
        expect(payload.vecpipe.fingerprint).toBe(live?.fingerprint);
        const text = Number(key) > 30 ? `odd: body of ${key}` : itemText(row(key));
        expect(sameDirection(vector, fakeVector(text))).toBe(true);
      }
    });

    test('copies no vector that is not what its record says', async () => {
      const items = await stored(rows(6));
      const [live] = await generationsOf(items);
      const points = await items.points();
      const [first, second] = points;
      const spoiled = first && { ...first.payload, vecpipe: { ...first.payload.vecpipe, hash: 'other' } };
      const scrolled = await backend.store.scroll(live?.physical ?? '', { limit: 10 });
      const idOf = (key: string | undefined) =>
        scrolled.find(({ payload }) => payload.vecpipe.key === key)?.id ?? '';
      if (spoiled)
        await backend.store.setPayload(live?.physical ?? '', [{ id: idOf(first.key), payload: spoiled }]);
      await backend.store.deletePoints(live?.physical ?? '', [idOf(second?.key)]);
      items.provider.calls.length = 0;
      const { counts } = await items.with({ text: OTHER_TEMPLATE }).reindex();
      expect(counts).toMatchObject({ embedded: 2, reused: 4 });
      expect(await items.with({ text: OTHER_TEMPLATE }).differences()).toEqual([]);
    });

    test('copies chunks where they are cut alike, and buys those that are not', async () => {
      const words = (count: number, first: string) =>
        Array.from({ length: count }, (_, index) => `${first}${index}`).join(' ');
      const items = await stored([row(1, { body: 'short' }), row(2, { body: words(9, 'w') })], {
        chunk: { maxTokens: 4, overlap: 0 },
      });
      items.provider.calls.length = 0;
      const next = items.with({ chunk: { maxTokens: 5, overlap: 0 } });
      const { counts } = await next.reindex();
      expect(counts).toMatchObject({ embedded: 1, reused: 1 });
      expect(await next.differences()).toEqual([]);
    });

    test('what is changed and deleted meanwhile reaches both generations', async () => {
      const items = await stored(rows(30));
      const gate = new Gate();
      const next = items.with({}, otherModel());
      next.provider.before = () => gate.pass();
      const reindexing = next.reindex({ batchSize: 5 });
      await gate.waiting();
      await items.table.put(row(3, { body: 'changed meanwhile' }), row(99));
      await items.table.remove('7', '30');
      // The old config's own run goes on as ever.
      const meanwhile = await items.run();
      expect(meanwhile.counts).toMatchObject({ embedded: 2, deleted: 2 });
      expect(await items.differences()).toEqual([]);
      gate.open();
      expect(await reindexing).toMatchObject({ error: undefined, isSwapped: true });
      expect(await next.differences()).toEqual([]);
      expect(await items.queue()).toEqual([]);
    });

    test('a row that is deleted just before the swap does not come back with it', async () => {
      const items = await stored(rows(10));
      const next = items.with({}, otherModel());
      const seen: string[][] = [];
      let deletion: ReturnType<Items['run']> | undefined;
      const store = intercept(backend.store, {
        before: async ({ method }) => {
          if (method !== 'setAlias') return;
          // The worker may claim nothing now, and what readers see is what they saw.
          seen.push((await items.points()).map(({ key }) => key));
        },
      });
      const database = intercept(backend.database, {
        before: async ({ method, args }) => {
          if (method !== 'query' || !String(args[0]).includes('held_until = now()')) return;
          await items.table.remove('4');
          deletion = items.run();
          await deletion;
        },
      });
      const outcome = await next.reindex({}, { store, database });
      expect(outcome).toMatchObject({ error: undefined, isSwapped: true });
      expect((await deletion)?.counts.deleted).toBe(1);
      expect(seen.flat()).not.toContain('4');
      expect((await next.points()).map(({ key }) => key)).not.toContain('4');
    });

    test('while it is held, nothing is claimed for the live generation, and a run waits', async () => {
      const items = await stored(rows(3));
      const [live] = await generationsOf(items);
      await items.table.put(row(1, { body: 'new' }));
      const hold = await holdClaims(backend.database, live?.id ?? 0);
      const polled = new Gate();
      const database = intercept(backend.database, {
        after: ({ method, args }) =>
          method === 'query' && String(args[0]).includes('select status from vecpipe.generations')
            ? void polled.pass()
            : undefined,
      });
      const running = items.run({}, { database });
      await polled.waiting(2);
      expect(await items.queue()).toMatchObject([{ key: '1', leased: false, attempts: 0 }]);
      await hold[Symbol.asyncDispose]();
      expect((await running).counts).toMatchObject({ embedded: 1 });
    });

    test('a hold begins when claims that have not seen it are known', async ({ skip }) => {
      const { database } = backend;
      if (database.exclusive) skip('only one session at a time');
      const items = await stored(rows(3));
      const [live] = await generationsOf(items);
      const generationId = live?.id ?? 0;
      await items.table.put(row(1, { body: 'new' }));
      const source = await openRowSource(database, items.entity, items.tenant);
      await queueDifference(database, source, generationId, { deleteAll: false });
      const gate = new Gate();
      const { tenant } = items;
      const claiming = database.transaction(async (tx) => {
        const claim = { tenant, entity: items.entity.name, runId: randomUUID(), limit: 9, leaseMs: 60_000 };
        await claimBatch(tx, { ...claim, generationId });
        await gate.pass();
      });
      await gate.waiting();
      let isHeld = false;
      const holding = holdClaims(database, generationId).then((hold) => {
        isHeld = true;
        return hold;
      });
      for (let isWaiting = false; !isWaiting && !isHeld;) {
        const { rows: waiting } = await database.query(
          `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%held_until = now()%'`,
        );
        isWaiting = waiting.length > 0;
      }
      expect(isHeld).toBe(false);
      gate.open();
      await claiming;
      await (await holding)[Symbol.asyncDispose]();
    });

    test('a run of the old generation that is under way at the swap ends with what to do', async () => {
      const items = await stored(rows(3));
      const target = await items.target();
      await items.with({}, otherModel()).reindex();
      await items.table.put(row(1, { body: 'new' }));
      const { runTargets } = await import('../helpers/pipeline.ts');
      const { error } = await runTargets(backend, [target]);
      expect(error).toMatchObject({ family: 'unavailable', code: 'generation_replaced' });
      expect(await items.queue()).toMatchObject([{ key: '1', leased: false }]);
    });

    test('rows that others have leased are waited for before the swap', async () => {
      const items = await stored(rows(4));
      const gate = new Gate();
      await items.table.put(row(2, { body: 'under way' }));
      items.provider.before = () => gate.pass();
      const running = items.run();
      await gate.waiting();
      const next = items.with({}, otherModel());
      const waits = new Gate();
      const reindexing = next.reindex(
        {},
        {
          store: backend.store,
          database: intercept(backend.database, {
            after: ({ method, args }) =>
              method === 'query' && String(args[0]).includes('as leased') ? void waits.pass() : undefined,
          }),
        },
      );
      await waits.waiting(12);
      expect(await statuses(items)).toEqual(['2 building', '1 live']);
      gate.open();
      expect((await running).error).toBeUndefined();
      const outcome = await reindexing;
      expect(outcome).toMatchObject({ error: undefined, isSwapped: true });
      expect(
        outcome.events.some((event) => event.type === 'notice' && event.message.includes('leased')),
      ).toBe(true);
      expect(await next.differences()).toEqual([]);
    });

    test('is refused while another run rebuilds the collection, and goes on when that one has died', async () => {
      const items = await stored(rows(12));
      const next = items.with({}, otherModel());
      const runId = randomUUID();
      await recordRunStart(backend.database, { id: runId, command: 'reindex', tenants: [], entities: [] });
      const stop = new AbortController();
      next.provider.before = () => stop.abort(new Error('stopped'));
      await next.reindex({ runId, stop: stop.signal, abort: stop.signal });
      next.provider.before = undefined;
      expect((await next.reindex()).error).toMatchObject({ family: 'unavailable', code: 'reindex_running' });
      await recordRunEnd(backend.database, runId, { exitCode: 143, counts: {}, error: null });
      const outcome = await next.reindex();
      expect(outcome).toMatchObject({ error: undefined, generation: 2, isSwapped: true });
      expect(await next.differences()).toEqual([]);
    });

    test('ended by a failure at any call, it is resumed to the same result, and nothing is bought twice', async () => {
      const items = await stored(rows(23));
      const next = items.with({}, otherModel());
      next.provider.pricePerMillionTokens = 1;
      let failAt = 3;
      let calls = 0;
      const breaking = ({ method }: { method: string }) => {
        if (!CALLS.has(method)) return;
        calls += 1;
        if (calls === failAt) throw unavailableError('test', 'as the test wants');
      };
      for (let attempt = 0; attempt < 40; attempt += 1) {
        calls = 0;
        const context = {
          store: intercept(backend.store, { before: breaking }),
          database: intercept(backend.database, { before: breaking }),
        };
        const outcome = await next.reindex({ batchSize: 4 }, context);
        if (outcome.isSwapped) break;
        expect(outcome.error).toMatchObject({ code: 'test' });
        // Each time a little further.
        failAt += 7;
      }
      expect((await statuses(items))[0]).toBe('2 live');
      expect(
        await healAlias(backend.database, backend.store, collectionName(items.entity, items.tenant)),
      ).toBeNull();
      await next.run();
      expect(await next.differences()).toEqual([]);
      expect(next.provider.texts.length).toBe(new Set(next.provider.texts).size);
      expect(await buildingWork(items)).toBe(0);
      const [live] = await generationsOf(items);
      expect(live?.loadSettings).toBeNull();
    });

    test('a swap that ended before the alias was moved is completed by whoever comes next', async () => {
      const items = await stored(rows(5));
      const next = items.with({}, otherModel());
      const store = intercept(backend.store, {
        before: ({ method }) => {
          if (method === 'setAlias') throw unavailableError('test', 'as the test wants');
        },
      });
      expect((await next.reindex({}, { store })).error).toMatchObject({ code: 'test' });
      expect(await statuses(items)).toEqual(['2 live', '1 retired']);
      expect(
        await dropRetired(backend.database, backend.store, collectionName(items.entity, items.tenant)),
      ).toEqual([]);
      await next.run();
      expect(await next.differences()).toEqual([]);
    });

    test('a run that looked before the swap does not move the alias back', async () => {
      const items = await stored(rows(4));
      const next = items.with({}, otherModel());
      let isSwapped = false;
      const store = intercept(backend.store, {
        before: async ({ method }) => {
          // It has read which generation is live, and looks now where the alias leads to.
          if (method !== 'resolveAlias' || isSwapped) return;
          isSwapped = true;
          expect(await next.reindex()).toMatchObject({ error: undefined, isSwapped: true });
        },
      });
      await expect(items.run({}, { store })).rejects.toMatchObject({ code: 'generation_replaced' });
      expect(isSwapped).toBe(true);
      const [live] = await generationsOf(items);
      expect(live).toMatchObject({ number: 2, status: 'live' });
      expect(await backend.store.resolveAlias(collectionName(items.entity, items.tenant))).toBe(
        live?.physical,
      );
    });

    test('a swap that was overtaken by a rollback leaves the alias where that has put it', async () => {
      const items = await stored(rows(4));
      let isBack = false;
      const store = intercept(backend.store, {
        before: async ({ method }) => {
          if (method !== 'setAlias' || isBack) return;
          isBack = true;
          await rollback(items);
        },
      });
      await items.with({}, otherModel()).reindex({}, { store });
      expect(isBack).toBe(true);
      const live = (await generationsOf(items)).find(({ status }) => status === 'live');
      expect(live?.number).toBe(1);
      expect(await backend.store.resolveAlias(collectionName(items.entity, items.tenant))).toBe(
        live?.physical,
      );
    });

    test('is not swapped when others could claim rows meanwhile, and is when it is run again', async () => {
      const items = await stored(rows(4));
      const next = items.with({}, otherModel());
      const [live] = await generationsOf(items);
      let isHeld = false;
      const database = intercept(backend.database, {
        after: async ({ method, args }) => {
          if (method !== 'query' || !String(args[0]).includes('held_until = now()') || isHeld) return;
          isHeld = true;
          // As after a process that was stopped for longer than the hold lasts.
          await backend.database.query('update vecpipe.generations set held_until = now() where id = $1', [
            live?.id ?? 0,
          ]);
        },
      });
      const outcome = await next.reindex({}, { database, store: backend.store });
      expect(outcome.error).toMatchObject({ family: 'unavailable', code: 'hold_lost' });
      expect(await statuses(items)).toEqual(['2 building', '1 live']);
      expect(await next.reindex()).toMatchObject({ error: undefined, isSwapped: true, generation: 2 });
    });

    test('goes on where the store has lost what was built so far', async () => {
      const items = await stored(rows(8));
      const stop = new AbortController();
      const next = items.with({}, otherModel());
      let calls = 0;
      next.provider.before = () => {
        calls += 1;
        if (calls === 2) stop.abort(new Error('stopped'));
      };
      await next.reindex({ stop: stop.signal, batchSize: 2, batchesInFlight: 1 });
      next.provider.before = undefined;
      const [building] = await generationsOf(items);
      await backend.store.deleteCollection(building?.physical ?? '');
      expect(await next.reindex()).toMatchObject({ error: undefined, isSwapped: true, generation: 2 });
      expect(await next.differences()).toEqual([]);
    });

    test('that is refused leaves nothing begun', async () => {
      const items = await stored(rows(10));
      await items.table.remove(...rows(9).map(({ id }) => id));
      const { error } = await items.with({}, otherModel()).reindex();
      expect(error).toMatchObject({ code: 'collection_shrinks' });
      expect(await statuses(items)).toEqual(['1 live']);
    });

    test('one that was begun with other settings is dropped, its points and work with it', async () => {
      const items = await stored(rows(8));
      const stop = new AbortController();
      const abandoned = items.with({}, otherModel());
      abandoned.provider.before = () => stop.abort(new Error('stopped'));
      await abandoned.reindex({ stop: stop.signal, abort: stop.signal });
      expect(await statuses(items)).toEqual(['2 building', '1 live']);
      const wanted = items.with({}, new FakeProvider({ modelId: 'fake/third', dimensions: 10 }));
      expect(await wanted.reindex()).toMatchObject({ generation: 3, isSwapped: true });
      expect(await statuses(items)).toEqual(['3 live', '1 retired']);
      expect((await physicals(items)).map((name) => name.slice(-1))).toEqual(['1', '3']);
      expect(await buildingWork(items)).toBe(0);
      expect(await wanted.differences()).toEqual([]);
    });

    test('one that is not wanted any more can be given up, but not while a run builds it', async () => {
      const items = await stored(rows(4));
      const runId = randomUUID();
      await recordRunStart(backend.database, { id: runId, command: 'reindex', tenants: [], entities: [] });
      const stop = new AbortController();
      const next = items.with({}, otherModel());
      next.provider.before = () => stop.abort(new Error('stopped'));
      await next.reindex({ runId, stop: stop.signal, abort: stop.signal });
      const { settings } = await items.target();
      const collection = collectionName(items.entity, items.tenant);
      const giveUp = () =>
        abandonOthers(backend.database, backend.store.location, {
          collection,
          settings,
          runId: randomUUID(),
        });
      await expect(giveUp()).rejects.toMatchObject({ code: 'reindex_running' });
      await recordRunEnd(backend.database, runId, { exitCode: 143, counts: {}, error: null });
      const given = await giveUp();
      expect(given).toMatchObject({ number: 2 });
      // As every later run does.
      expect(await dropExpired(backend.database, backend.store, [collection])).toMatchObject([{ number: 2 }]);
      expect(await statuses(items)).toEqual(['1 live']);
      expect(await buildingWork(items)).toBe(0);
      expect(await giveUp()).toBeNull();
    });

    test('the settings of an adopted collection are those of its fingerprint', async () => {
      const items = await stored(rows(1));
      await backend.database.query(
        `update vecpipe.generations set settings = settings || '{"adoptedFrom": "other"}' where collection = $1`,
        [collectionName(items.entity, items.tenant)],
      );
      const [live] = await generationsOf(items);
      expect(live && fingerprintOf(live.settings)).toBe(live?.fingerprint);
    });

    test('rebuilds a collection whose live generation has vanished from the store', async () => {
      const items = await stored(rows(6));
      const [live] = await generationsOf(items);
      await backend.store.deleteCollection(live?.physical ?? '');
      const next = items.with({ text: OTHER_TEMPLATE });
      expect(await next.reindex()).toMatchObject({ error: undefined, isSwapped: true, generation: 2 });
      expect(await next.points()).toHaveLength(6);
    });

    test('never replaces a collection by a much smaller one, as after a truncation, unless told to', async () => {
      const items = await stored(rows(10));
      await items.table.remove(...rows(9).map(({ id }) => id));
      const next = items.with({}, otherModel());
      expect((await next.reindex()).error).toMatchObject({ code: 'collection_shrinks' });
      expect(next.provider.texts).toEqual([]);
      expect(await items.points()).toHaveLength(10);
      expect(await next.reindex({ deleteAll: true })).toMatchObject({ isSwapped: true });
      expect(await next.points()).toHaveLength(1);
    });

    test('is not swapped where rows would be lost that readers find now, unless told to', async () => {
      const items = await stored(rows(6));
      const next = items.with({}, otherModel());
      next.provider.refused.set(itemText(row(2)), {
        code: 'provider_rejected_text',
        reason: 'as the test wants',
      });
      const refused = await next.reindex();
      expect(refused).toMatchObject({ isSwapped: false, generation: 1, error: undefined });
      expect(refused.failures.map(({ key, code }) => `${key} ${code}`)).toEqual([
        '2 provider_rejected_text',
        '* rows_lost',
      ]);
      expect(await items.differences()).toEqual([]);
      expect(await next.reindex({ deleteAll: true })).toMatchObject({ isSwapped: true });
      expect(await next.points()).toHaveLength(5);
      // Not forgotten: it is the live generation's now.
      expect(await items.queue()).toMatchObject([{ key: '2', code: 'provider_rejected_text' }]);
      next.provider.refused.clear();
      expect(await next.reindex()).toMatchObject({ isSwapped: true });
      expect(await next.points()).toHaveLength(6);
    });

    test('a reader finds an answer of one generation at any time', async () => {
      const items = await stored(rows(40));
      const alias = collectionName(items.entity, items.tenant);
      // Of the same width, so that one query fits both.
      const next = items.with({}, new FakeProvider({ modelId: 'fake/other' }));
      const done = new AbortController();
      const prints = new Set<string>();
      let answers = 0;
      const reading = (async () => {
        while (!done.signal.aborted) {
          const found = await backend.store.search(alias, fakeVector('anything'), { limit: 40 });
          const own = new Set(found.map(({ payload }) => payload.vecpipe.fingerprint));
          expect(own.size).toBe(1);
          expect(found).toHaveLength(40);
          for (const print of own) prints.add(print);
          answers += 1;
        }
      })();
      const outcome = await next.reindex({ batchSize: 5 });
      // Until it has seen the new one as well.
      while (prints.size < 2) await new Promise((resolve) => setImmediate(resolve));
      done.abort();
      await reading;
      expect(outcome).toMatchObject({ isSwapped: true, error: undefined });
      expect(answers).toBeGreaterThan(1);
    });

    describe('a rollback', () => {
      test('brings the old generation back without the rows that are gone since', async () => {
        const items = await stored(rows(12));
        const next = items.with({}, otherModel());
        await next.reindex();
        await items.table.remove('5');
        await items.table.put(row(6, { body: 'changed since' }));
        await next.run();
        expect(await rollback(items)).toMatchObject({
          deleted: 1,
          live: { number: 1 },
          retired: { number: 2 },
        });
        expect((await items.points()).map(({ key }) => key)).not.toContain('5');
        expect((await items.run()).counts).toMatchObject({ embedded: 1 });
        expect(await items.differences()).toEqual([]);
        // And forth again.
        expect(await rollback(items)).toMatchObject({ live: { number: 2 } });
        expect(await next.differences()).toEqual([]);
      });

      test('and a drop at the same time do not take the live collection away', async () => {
        const items = await stored(rows(3));
        await items.with({}, otherModel()).reindex();
        const alias = collectionName(items.entity, items.tenant);
        const store = intercept(backend.store, {
          before: async ({ method }) => {
            if (method === 'deleteCollection') await rollback(items).catch(() => {});
          },
        });
        await dropRetired(backend.database, store, alias);
        const live = (await generationsOf(items)).find(({ status }) => status === 'live');
        expect(await backend.store.describeCollection(live?.physical ?? '')).not.toBeNull();
        expect(await backend.store.resolveAlias(alias)).toBe(live?.physical);
      });

      test('has nothing to go back to after a drop', async () => {
        const items = await stored(rows(3));
        await expect(rollback(items)).rejects.toMatchObject({ code: 'rollback_nothing' });
        await items.with({}, otherModel()).reindex();
        const alias = collectionName(items.entity, items.tenant);
        expect(await dropRetired(backend.database, backend.store, alias)).toMatchObject([{ number: 1 }]);
        await expect(rollback(items)).rejects.toMatchObject({ code: 'rollback_nothing' });
        expect((await physicals(items)).map((name) => name.slice(-1))).toEqual(['2']);
        const { rows: left } = await backend.database.query(
          `select from vecpipe.vector_state v join vecpipe.generations g on g.id = v.generation_id
          where g.status = 'dropped' and v.tenant = $1`,
          [items.tenant],
        );
        expect(left).toEqual([]);
      });
    });

    test('a generation that is kept for a time is dropped by a later run, and not before', async () => {
      const items = await stored(rows(3));
      await items.with({}, otherModel()).reindex({ keepMs: 60_000 });
      const alias = collectionName(items.entity, items.tenant);
      expect(await dropExpired(backend.database, backend.store, [alias])).toEqual([]);
      await backend.database.query(
        `update vecpipe.generations set keep_until = now() - interval '1 second'
        where collection = $1 and keep_until is not null`,
        [alias],
      );
      expect(await dropExpired(backend.database, backend.store, [alias])).toMatchObject([{ number: 1 }]);
    });

    test('what a load changes in the store is put back, by a later run when this one dies', async () => {
      const items = await stored(rows(8));
      const [live] = await generationsOf(items);
      const before = await backend.store.readLoadSettings(live?.physical ?? '');
      const next = items.with({}, otherModel());
      // As a process that is killed: what follows an end does not happen either.
      let isDead = false;
      const dying = ({ method }: { method: string }) => {
        if (method === 'upsert') isDead = true;
        if (isDead) throw unavailableError('test', 'as the test wants');
      };
      const runId = randomUUID();
      await recordRunStart(backend.database, { id: runId, command: 'reindex', tenants: [], entities: [] });
      await next.reindex(
        { runId },
        {
          store: intercept(backend.store, { before: dying }),
          database: intercept(backend.database, { before: dying }),
        },
      );
      const [building] = await generationsOf(items);
      const during = await backend.store.readLoadSettings(building?.physical ?? '');
      if (before !== null) expect(during).not.toEqual(before);
      // Not while the run may still be at work.
      expect(await restoreLoads(backend.database, backend.store)).not.toContain(building?.physical);
      await recordRunEnd(backend.database, runId, { exitCode: 137, counts: {}, error: null });
      const restored = await restoreLoads(backend.database, backend.store);
      expect(restored.includes(building?.physical ?? '')).toBe(before !== null);
      expect(await backend.store.readLoadSettings(building?.physical ?? '')).toEqual(before);
      await items.expireLeases();
      expect(await next.reindex()).toMatchObject({ isSwapped: true, error: undefined });
      const [now] = await generationsOf(items);
      expect(await backend.store.readLoadSettings(now?.physical ?? '')).toEqual(before);
      expect(await pointsOf(backend.store, next.entity, next.tenant)).toHaveLength(8);
    });
  });
}

const CALLS: ReadonlySet<string> = new Set([
  'query',
  'transaction',
  'createCollection',
  'upsert',
  'deleteChunks',
  'finishLoad',
  'setAlias',
  'beginLoad',
  'endLoad',
]);
