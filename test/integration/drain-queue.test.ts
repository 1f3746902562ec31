import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Entity } from '../../src/entities/entity.ts';
import { processBatch } from '../../src/pipeline/process-batch.ts';
import type { Target } from '../../src/pipeline/target.ts';
import type { Database, Queryable } from '../../src/ports/database.ts';
import type { Point, VectorStore } from '../../src/ports/vector-store.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import type { Batch } from '../../src/queue/work.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { Gate } from '../helpers/gate.ts';
import { intercept } from '../helpers/intercept.ts';
import type { Call } from '../helpers/intercept.ts';
import { Items, NEVER, runTargets, vectorizeOptions } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const rows = (count: number): ItemRow[] =>
  Array.from({ length: count }, (_, index) => ({
    id: String(index + 10),
    name: `name ${index}`,
    body: 'b',
    tag: 'x',
  }));
const words = (count: number, first = 'w') =>
  Array.from({ length: count }, (_, index) => `${first}${index}`).join(' ');

for (const variant of availableBackends()) describeDrain(variant);

function describeDrain(variant: BackendVariant): void {
  describe(`draining the queue on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const itemsOf = (given: readonly ItemRow[], changes: Partial<Entity> = {}, provider?: FakeProvider) =>
      Items.create(backend, given, { collection: backend.testStore.name('shared'), ...changes }, provider);

    /** Items whose rows are queued, and their target. */
    async function queued(
      given: readonly ItemRow[],
      provider?: FakeProvider,
    ): Promise<{ items: Items; target: Target }> {
      const items = await itemsOf(given, {}, provider);
      await items.run({ limit: 0 });
      return { items, target: await items.target() };
    }

    async function claim(
      items: Items,
      changes: { limit?: number; leaseMs?: number } = {},
      on: Queryable = backend.database,
    ): Promise<Batch> {
      const { runId, leaseMs } = vectorizeOptions();
      const options = { tenant: items.tenant, entity: 'items', runId, leaseMs, limit: 100, ...changes };
      const batch = await claimBatch(on, options);
      if (!batch) throw new Error('there was nothing to claim');
      return batch;
    }

    /** Claims rows that are leased, before their lease can be renewed. */
    function takeOver(items: Items): Promise<Batch> {
      return backend.database.transaction(async (tx) => {
        await items.expireLeases(tx);
        return claim(items, {}, tx);
      });
    }

    /** Works on a batch outside of any run. */
    async function work(
      target: Target,
      batch: Batch,
      {
        database = backend.database,
        store = backend.store,
      }: { database?: Database; store?: VectorStore } = {},
    ): Promise<void> {
      const mark = { written: false, recording: false };
      await processBatch({ database, store, report: () => {} }, target, batch, mark, { signal: NEVER });
    }

    const leased = async (items: Items) => (await items.queue()).filter((row) => row.leased);

    describe('a worker that dies', () => {
      const died = new Error('the process died');
      /** A worker that ends before what it did is recorded, and says nothing to anybody. */
      async function dieBeforeRecording(items: Items): Promise<void> {
        const database = intercept(backend.database, {
          before: ({ args: [sql] }) => {
            if (String(sql).includes('into vecpipe.vector_state')) throw died;
          },
        });
        await items.run({ limit: 0 });
        const batch = await claim(items);
        await expect(work(await items.target(), batch, { database })).rejects.toBe(died);
        await items.expireLeases();
      }
      const chunked = { chunk: { maxTokens: 3, overlap: 0 } };
      const start = async () => {
        const items = await itemsOf([{ id: 'a', name: words(6), body: '', tag: 'x' }, ...rows(5)], {
          ...chunked,
          collection: backend.testStore.name('chunked'),
        });
        await items.run();
        return items;
      };

      test.each<[string, (items: Items) => Promise<void>, (items: Items) => Promise<void>]>([
        [
          'the text is the old one again',
          ({ table }) => table.set('a', 'name', words(6, 'v')),
          ({ table }) => table.set('a', 'name', words(6)),
        ],
        [
          'the text is the old one again, which is shorter',
          ({ table }) => table.set('a', 'name', words(15, 'v')),
          ({ table }) => table.set('a', 'name', words(6)),
        ],
        [
          'the text is the old one again, which is longer',
          ({ table }) => table.set('a', 'name', words(2, 'v')),
          ({ table }) => table.set('a', 'name', words(6)),
        ],
        [
          'the payload is the old one again',
          ({ table }) => table.set('a', 'tag', 'other'),
          ({ table }) => table.set('a', 'tag', 'x'),
        ],
        [
          'the row that had been deleted is there again',
          ({ table }) => table.remove('a'),
          ({ table }) => table.put({ id: 'a', name: words(6), body: '', tag: 'x' }),
        ],
        [
          'the row that had been emptied has its text again',
          ({ table }) => table.set('a', 'name', ''),
          ({ table }) => table.set('a', 'name', words(6)),
        ],
        [
          'the row is gone',
          ({ table }) => table.set('a', 'name', words(15, 'v')),
          ({ table }) => table.remove('a'),
        ],
        [
          'the row is empty',
          ({ table }) => table.set('a', 'name', words(15, 'v')),
          ({ table }) => table.set('a', 'name', ''),
        ],
        [
          'the new row is gone',
          ({ table }) => table.put({ id: 'new', name: words(9), body: '', tag: 'x' }),
          ({ table }) => table.remove('new'),
        ],
        ['nothing else has changed', ({ table }) => table.set('a', 'name', words(9, 'v')), async () => {}],
      ])(
        'after writing leaves nothing wrong behind when, by the time of the next run, %s',
        async (_name, change, changeBack) => {
          const items = await start();
          await change(items);
          await dieBeforeRecording(items);
          await changeBack(items);
          expect(await items.run()).toMatchObject({ error: undefined, warnings: [], failures: [] });
          expect(await items.differences()).toEqual([]);
          expect(await items.queue()).toEqual([]);
          expect((await items.run()).counts).toMatchObject({ queued: 0, stored: 0 });
        },
      );

      test('may leave more chunks than the row has when it comes back after it was gone', async () => {
        const items = await start();
        await items.table.set('a', 'name', words(15, 'v'));
        await dieBeforeRecording(items);
        await items.table.remove('a', ...rows(5).map(({ id }) => id));
        expect((await items.run()).failures).toEqual([expect.objectContaining({ code: 'delete_guard' })]);
        await items.table.put({ id: 'a', name: words(6), body: '', tag: 'x' }, ...rows(5));
        expect(await items.run()).toMatchObject({ error: undefined, warnings: [], failures: [] });
        expect(await items.differences()).toEqual([]);
      });

      test('may die twice', async () => {
        const items = await start();
        await items.table.set('a', 'name', words(15, 'v'));
        await dieBeforeRecording(items);
        await items.table.set('a', 'name', words(9, 'u'));
        await dieBeforeRecording(items);
        await items.table.set('a', 'name', words(6));
        await items.run();
        expect(await items.differences()).toEqual([]);
      });
    });

    describe('a failure after writing', () => {
      test.each<[string, (call: Call) => boolean]>([
        ['of the store', ({ method }) => method === 'upsert'],
        ['of the database', ({ args }) => String(args[0]).includes('into vecpipe.vector_state')],
      ])('%s gives the rows back as not to be relied on', async (_name, isMeant) => {
        const items = await itemsOf(rows(3));
        await items.run();
        await items.table.set('10', 'name', 'other');
        const failure = new Error('connection lost');
        const fail = (call: Call) => {
          if (isMeant(call)) throw failure;
        };
        const { error } = await items.run(
          {},
          {
            store: intercept(backend.store, { after: fail }),
            database: intercept(backend.database, { before: fail }),
          },
        );
        expect(error).toBe(failure);
        expect(await items.queue()).toEqual([
          expect.objectContaining({
            key: '10',
            leased: false,
            attempts: 0,
            unconfirmed: true,
            failed: false,
          }),
        ]);
        await items.table.set('10', 'name', 'name 0');
        await items.run();
        expect(await items.differences()).toEqual([]);
      });
    });

    describe('a stop', () => {
      test('lets what is under way finish, takes up nothing new, and the next run does the rest', async () => {
        const items = await itemsOf(rows(20));
        const stop = new AbortController();
        const gate = new Gate();
        items.provider.before = () => gate.pass();
        const running = items.run({ batchSize: 5, batchesInFlight: 2, stop: stop.signal });
        await gate.waiting(2);
        stop.abort(new Error('SIGTERM'));
        gate.open();
        const { error, counts } = await running;
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ stored: 10, pending: 10 });
        expect(await leased(items)).toEqual([]);
        expect((await items.run()).counts).toMatchObject({ stored: 10, pending: 0 });
        expect(await items.differences()).toEqual([]);
      });

      test('that becomes an abort gives up what is under way and gives the rows back', async () => {
        const items = await itemsOf(rows(20));
        const stop = new AbortController();
        const abort = new AbortController();
        const gate = new Gate();
        items.provider.before = (_texts, options) => gate.pass(options);
        const running = items.run({
          batchSize: 5,
          batchesInFlight: 2,
          stop: stop.signal,
          abort: abort.signal,
        });
        await gate.waiting(2);
        const reason = new Error('SIGTERM');
        stop.abort(reason);
        abort.abort(reason);
        const { error, counts, warnings } = await running;
        expect({ error, warnings }).toEqual({ error: undefined, warnings: [] });
        expect(counts).toMatchObject({ stored: 0, pending: 20 });
        expect(
          (await items.queue()).every(
            ({ leased, attempts, unconfirmed }) => !leased && attempts === 0 && !unconfirmed,
          ),
        ).toBe(true);
        items.provider.before = undefined;
        expect((await items.run()).counts).toMatchObject({ stored: 20 });
        expect(await items.differences()).toEqual([]);
      });

      test('in the middle of writing says that the rows may have been written', async () => {
        const items = await itemsOf(rows(4));
        const stop = new AbortController();
        const store = intercept(backend.store, {
          after: ({ method }) => {
            if (method !== 'upsert') return;
            stop.abort(new Error('SIGTERM'));
            throw stop.signal.reason;
          },
        });
        await items.run({ stop: stop.signal, abort: stop.signal }, { store });
        expect((await items.queue()).every(({ leased, unconfirmed }) => !leased && unconfirmed)).toBe(true);
        await items.run();
        expect(await items.differences()).toEqual([]);
      });

      test('before the start does nothing', async () => {
        const { items, target } = await queued(rows(3));
        const stop = AbortSignal.abort(new Error('SIGTERM'));
        const { error } = await runTargets(backend, [target], { stop, abort: stop });
        expect(error).toBeUndefined();
        expect(items.provider.calls).toEqual([]);
        expect(await items.queue()).toHaveLength(3);
      });

      test('ends the wait for another worker', async () => {
        const { items, target } = await queued(rows(3));
        await claim(items);
        const stop = new AbortController();
        const database = intercept(backend.database, {
          after: ({ args: [sql] }) => {
            if (String(sql).includes('leaseEndsInMs') && items.provider.calls.length === 0)
              setImmediate(() => stop.abort(new Error('SIGTERM')));
          },
        });
        const { error } = await runTargets({ ...backend, database }, [target], {
          queuedOnly: true,
          stop: stop.signal,
        });
        expect(error).toBeUndefined();
        expect(await leased(items)).toHaveLength(3);
      });
    });

    describe('another worker', () => {
      test('is waited for, and its rows are taken when its lease ends', async () => {
        const { items, target } = await queued(rows(6));
        await claim(items, { limit: 4, leaseMs: 400 });
        const { error, events, counts } = await runTargets(backend, [target]);
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ stored: 6, pending: 0 });
        expect(events.filter(({ type }) => type === 'notice')).toEqual([
          {
            type: 'notice',
            message: expect.stringMatching(
              /^Waiting for 4 rows that another vecpipe process has leased .* within 1 s\)$/,
            ),
          },
        ]);
        expect(await items.differences()).toEqual([]);
      });

      test('that finishes its rows leaves nothing to do', async () => {
        const { items, target } = await queued(rows(6));
        const other = await items.target();
        const batch = await claim(items, { limit: 4 });
        const report = async ({ args: [sql] }: Call) => {
          // The first look at the queue after there was nothing left to claim.
          if (String(sql).includes('leaseEndsInMs') && target.counts.stored === 2) await work(other, batch);
        };
        const database = intercept(backend.database, { before: report });
        const { counts } = await runTargets({ ...backend, database }, [target]);
        expect(counts).toMatchObject({ stored: 2, pending: 0 });
        expect(await items.differences()).toEqual([]);
      });

      test('that takes rows over while ours were written late is not overwritten: they are done again', async () => {
        const { items, target } = await queued(rows(3));
        const gate = new Gate();
        items.provider.before = () => gate.pass();
        const running = runTargets(backend, [target], { queuedOnly: true });
        await gate.waiting();
        // The lease ends unnoticed, the rows change, and somebody else stores them.
        for (const { id } of rows(3)) await items.table.set(id, 'name', 'newer');
        const provider = new FakeProvider();
        await work(await items.with({}, provider).target(), await takeOver(items));
        expect(provider.texts).toEqual(['newer\nb']);
        gate.open();
        expect(await running).toMatchObject({ error: undefined, counts: { pending: 0 } });
        expect(await items.differences()).toEqual([]);
      });

      test('that takes rows over while one of our writes was on its way is not overwritten either', async () => {
        const { items, target } = await queued(rows(4));
        const provider = new FakeProvider();
        let writes = 0;
        const onlyOne: VectorStore = intercept(
          new Proxy(backend.store, {
            get: (store, name) => {
              if (name === 'maxBatchSize') return 2;
              const value = Reflect.get(store, name, store) as unknown;
              // Once on its way, a request cannot be called back.
              if (name === 'upsert')
                return (...[collection, points]: Parameters<VectorStore['upsert']>) =>
                  store.upsert(collection, points);
              return typeof value === 'function' ? (value.bind(store) as unknown) : value;
            },
          }),
          {
            before: async ({ method }) => {
              if (method !== 'upsert') return;
              writes += 1;
              if (writes > 1) return;
              for (const { id } of rows(4)) await items.table.set(id, 'name', 'newer');
              await work(await items.with({}, provider).target(), await takeOver(items));
              await passTime(150);
            },
          },
        );
        const { error, warnings } = await runTargets({ ...backend, store: onlyOne }, [target], {
          queuedOnly: true,
          leaseMs: 100,
        });
        expect(error).toBeUndefined();
        expect(warnings).toContainEqual(expect.stringMatching(/lease of a batch ran out/));
        expect(provider.texts).toEqual(['newer\nb']);
        expect(await items.differences()).toEqual([]);
        expect(await items.queue()).toEqual([]);
      });

      test('cannot take a batch that is still worked on: its lease is renewed', async () => {
        const { items, target } = await queued(rows(3));
        const gate = new Gate();
        items.provider.before = () => gate.pass();
        const running = runTargets(backend, [target], { queuedOnly: true, leaseMs: 300 });
        await gate.waiting();
        await passTime(700);
        await expect(claim(items)).rejects.toThrow('there was nothing to claim');
        gate.open();
        expect(await running).toMatchObject({ error: undefined, warnings: [], counts: { stored: 3 } });
      });

      test('that has a row makes us give up the whole batch at once, and do it again', async () => {
        const { items, target } = await queued(rows(3));
        const gate = new Gate();
        const held = new Gate();
        items.provider.before = async (_texts, options) => {
          if (items.provider.calls.length > 1) return;
          await gate.pass();
          await held.pass(options);
        };
        const running = runTargets(backend, [target], { queuedOnly: true, leaseMs: 150 });
        await gate.waiting();
        await backend.database.query(
          `update vecpipe.queue set lease_token = gen_random_uuid(), lease_until = now() + interval '500 milliseconds'
           where tenant = $1 and key = '10'`,
          [items.tenant],
        );
        gate.open();
        // Nobody opens `held`: only the loss of the lease ends the call.
        const { error, warnings, counts } = await running;
        expect(error).toBeUndefined();
        expect(warnings).toEqual([
          expect.stringMatching(/lease of a batch ran out .* its rows are done again/),
        ]);
        expect(counts).toMatchObject({ stored: 3, pending: 0 });
        expect(await items.differences()).toEqual([]);
      });
    });

    describe('turns', () => {
      test('are taken target by target: many rows of one do not keep the few of another waiting', async () => {
        const many = await itemsOf(rows(40));
        const few = await itemsOf(rows(4));
        const order: string[] = [];
        for (const items of [many, few])
          items.provider.before = () => void order.push(items === many ? 'many' : 'few');
        await runTargets(backend, [await many.target(), await few.target()], {
          batchSize: 4,
          batchesInFlight: 1,
        });
        expect(order.slice(0, 3)).toEqual(['many', 'few', 'many']);
        expect(order).toHaveLength(11);
      });

      test('a limit counts rows of all targets together', async () => {
        const [one, other] = [await itemsOf(rows(20)), await itemsOf(rows(20))];
        const targets = [await one.target(), await other.target()];
        const { error } = await runTargets(backend, targets, { batchSize: 4, batchesInFlight: 3, limit: 10 });
        expect(error).toBeUndefined();
        // Whose first batch is done first gets the last two rows.
        const numbers = targets.map(({ counts }) => [counts.stored, counts.pending]);
        expect(numbers.toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
          [4, 16],
          [6, 14],
        ]);
        expect([await leased(one), await leased(other)]).toEqual([[], []]);
      });
    });

    test('a provider that hangs holds its share of the batches, and the others’ rows are done', async () => {
      const gate = new Gate();
      const slow = await queued(rows(40));
      const quick = await queued(rows(40));
      slow.items.provider.before = (_texts, options) => gate.pass(options);
      let quickDone = 0;
      const running = runTargets(
        {
          ...backend,
          store: intercept(backend.store, {
            after: ({ method, args }) => {
              const [point] = method === 'upsert' ? (args[1] as Point[]) : [];
              if (point?.payload.vecpipe.tenant !== quick.items.tenant) return;
              quickDone += 1;
              // The last of its ten batches: only now may the other provider answer.
              if (quickDone === 10) gate.open();
            },
          }),
        },
        [slow.target, quick.target],
        { queuedOnly: true, batchSize: 4, batchesInFlight: 4 },
      );
      await gate.waiting();
      expect((await running).error).toBeUndefined();
      expect(quickDone).toBe(10);
      expect(await slow.items.differences()).toEqual([]);
    });

    test('no more batches are claimed than may be under way', async () => {
      const items = await itemsOf(rows(50));
      const gate = new Gate();
      items.provider.before = () => gate.pass();
      let claims = 0;
      const database = intercept(backend.database, {
        before: ({ args: [sql] }) => {
          if (String(sql).includes('skip locked')) claims += 1;
        },
      });
      const running = items.run({ batchSize: 5, batchesInFlight: 3 }, { database });
      await gate.waiting(3);
      // Whatever would still claim has had its chance once a query of ours has gone through after it.
      for (let round = 0; round < 10; round += 1) {
        expect(await leased(items)).toHaveLength(15);
      }
      expect([claims, gate.arrived]).toEqual([3, 3]);
      gate.open();
      expect((await running).counts).toMatchObject({ stored: 50 });
    });

    test('a batch costs two statements of the queue: one that claims and one that records', async () => {
      const items = await itemsOf(rows(50));
      const statements = { claim: 0, record: 0, other: 0 };
      const database = intercept(backend.database, {
        before: ({ method, args: [sql] }) => {
          if (method !== 'query' || !/vecpipe\.queue/.test(String(sql))) return;
          if (String(sql).includes('skip locked')) statements.claim += 1;
          else if (String(sql).includes('as dequeued') || String(sql).includes('dequeued as'))
            statements.record += 1;
          else statements.other += 1;
        },
      });
      await items.run({ batchSize: 5, batchesInFlight: 1 }, { database });
      // The last claims find nothing behind their place, and nothing from the beginning.
      expect(statements).toMatchObject({ record: 10, claim: 12 });
      // Comparing, counting and checking, whatever the number of batches is.
      expect(statements.other).toBeLessThan(10);
    });

    test('a row that changes while it is worked on is done again in the same run', async () => {
      const { items, target } = await queued(rows(3));
      items.provider.before = async () => {
        if (items.provider.calls.length > 1) return;
        await items.table.set('11', 'name', 'newer');
        await items.run({ limit: 0 });
      };
      const { counts } = await runTargets(backend, [target], { queuedOnly: true });
      expect(counts).toMatchObject({ embedded: 3, stored: 3, pending: 0 });
      expect(items.provider.texts).toHaveLength(4);
      expect(await items.differences()).toEqual([]);
    });

    test('progress counts to the total', async () => {
      const items = await itemsOf(rows(12));
      const { events } = await items.run({ batchSize: 5, batchesInFlight: 1 });
      const progress = events.flatMap((event) =>
        event.type === 'progress' ? [[event.done, event.total]] : [],
      );
      expect(progress).toEqual([
        [0, 12],
        [5, 12],
        [10, 12],
        [12, 12],
      ]);
    });
  });
}

/** Lets real time pass where leases are to run out; nothing depends on how much more of it does. */
async function passTime(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
