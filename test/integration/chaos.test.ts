import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../contract/vector-store-points.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { intercept } from '../helpers/intercept.ts';
import type { Call } from '../helpers/intercept.ts';
import { Items, runTargets } from '../helpers/pipeline.ts';
import type { PipelineContext } from '../helpers/pipeline.ts';

const IDS = Array.from({ length: 12 }, (_, index) => String(index + 10));
const ROUNDS = 8;

type Random = () => number;
const below = (random: Random, limit: number) => Math.floor(random() * limit);
const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  items[below(random, items.length)] as Item;
/** Few different words, so that texts meet again; none at all now and then. */
const someText = (random: Random) =>
  Array.from({ length: below(random, 9) }, () => `w${below(random, 4)}`).join(' ');

for (const variant of availableBackends()) describeChaos(variant);

function describeChaos(variant: BackendVariant): void {
  describe(`whatever happens on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    async function someItems(random: Random, provider?: FakeProvider): Promise<Items> {
      const rows = IDS.map((id) => ({ id, name: someText(random), body: '', tag: 'x' }));
      const entity = { chunk: { maxTokens: 3, overlap: 0 }, collection: backend.testStore.name('chaos') };
      return Items.create(backend, rows, entity, provider);
    }

    async function changeSomething(items: Items, random: Random): Promise<void> {
      const id = pick(random, IDS);
      switch (below(random, 5)) {
        case 0:
          return items.table.remove(id);
        case 1:
          return items.table.set(id, 'tag', `tag ${below(random, 3)}`);
        case 2:
          return items.table.put({ id, name: someText(random), body: '', tag: 'x' });
        default:
          return items.table.set(id, 'name', someText(random));
      }
    }

    async function expectAllWell(items: Items): Promise<void> {
      expect(await items.run({ deleteAll: true })).toMatchObject({
        error: undefined,
        failures: [],
        warnings: [],
      });
      expect(await items.differences()).toEqual([]);
      expect(await items.queue()).toEqual([]);
      expect(await items.run()).toMatchObject({
        error: undefined,
        counts: { queued: 0, stored: 0, tokens: 0 },
      });
    }

    /** Database and store of a process that dies at one of its calls: nothing of it reaches them after that. */
    function mortal(calls: number, moment: 'before' | 'after'): PipelineContext {
      const died = new Error('the process died');
      let left = calls;
      let isDead = false;
      const hooks = {
        before: () => {
          if (isDead) throw died;
          left -= 1;
          if (left > 0) return;
          isDead = true;
          if (moment === 'before') throw died;
        },
        after: () => {
          if (isDead) throw died;
        },
      };
      return { database: intercept(backend.database, hooks), store: intercept(backend.store, hooks) };
    }

    test.each([1, 2])(
      'a process that dies again and again, at any moment, leaves nothing wrong behind (%i)',
      async (seed) => {
        const random = seededRandom(seed);
        const items = await someItems(random);
        const target = await items.target();
        for (let round = 0; round < ROUNDS; round += 1) {
          for (let change = below(random, 6); change >= 0; change -= 1) await changeSomething(items, random);
          const context = mortal(1 + below(random, 30), pick(random, ['before', 'after'] as const));
          await runTargets(context, [target], {
            batchSize: 4,
            batchesInFlight: 2,
            deleteAll: random() < 0.5,
          });
          await items.expireLeases();
        }
        await expectAllWell(items);
      },
    );

    test.each([3])(
      'workers that take each other’s rows while these change leave nothing wrong behind (%i)',
      async (seed) => {
        const random = seededRandom(seed);
        const provider = new FakeProvider();
        const items = await someItems(random, provider);
        // Every call is slow at times, so that leases are lost at every point of the work.
        const dawdle = async () => {
          if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, below(random, 300)));
        };
        provider.before = dawdle;
        const isSlow = ({ method }: Call) => ['upsert', 'setPayload', 'deleteChunks'].includes(method);
        const hooks = { before: (call: Call) => (isSlow(call) ? dawdle() : undefined) };
        const context = { ...backend, store: intercept(backend.store, hooks) };
        let isOver = false;
        const errors: unknown[] = [];
        const work = async () => {
          while (!isOver) {
            const { error } = await runTargets(context, [await items.target()], {
              batchSize: 5,
              batchesInFlight: 2,
              leaseMs: 200,
              deleteAll: true,
            });
            if (error !== undefined) errors.push(error);
          }
        };
        const workers = [work(), work(), work()];
        for (let change = 0; change < 20; change += 1) {
          await changeSomething(items, random);
          await dawdle();
        }
        isOver = true;
        await Promise.all(workers);
        expect(errors).toEqual([]);
        await expectAllWell(items);
      },
    );
  });
}
