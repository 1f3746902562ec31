import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnectingDatabase } from '../../src/db/reconnecting-database.ts';
import { unavailableError } from '../../src/errors/vecpipe-error.ts';
import { reconnectingStore } from '../../src/stores/reconnecting-store.ts';
import { seededRandom } from '../contract/vector-store-points.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { intercept } from '../helpers/intercept.ts';
import type { Hooks } from '../helpers/intercept.ts';
import { Items, NEVER, runTargets } from '../helpers/pipeline.ts';
import type { PipelineContext } from '../helpers/pipeline.ts';

const lost = () => unavailableError('database_connection_lost', 'lost the connection to it');
const storeLost = () => unavailableError('store_unreachable', 'cannot reach it');
const IDS = Array.from({ length: 40 }, (_none, index) => String(index + 10));

for (const variant of availableBackends()) describeOutages(variant);

function describeOutages(variant: BackendVariant): void {
  describe(`services that go away, on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const someItems = (provider: FakeProvider) =>
      Items.create(
        backend,
        IDS.map((id) => ({ id, name: `name ${id}`, body: 'a b c d e', tag: 'x' })),
        { chunk: { maxTokens: 3, overlap: 0 }, collection: backend.testStore.name(`away_${Math.random()}`) },
        provider,
      );

    /** Neither is ever disposed: the backend keeps what is behind them. */
    function waiting(database: Hooks, store: Hooks, notices: string[] = []): PipelineContext {
      const wait = {
        maxOutageMs: 30_000,
        giveUp: NEVER,
        notify: (message: string) => void notices.push(message),
      };
      return {
        database: reconnectingDatabase(intercept(backend.database, database), wait),
        store: reconnectingStore(intercept(backend.store, store), wait),
      };
    }

    async function expectAllWell(items: Items): Promise<void> {
      expect(await items.differences()).toEqual([]);
      expect(await items.queue()).toEqual([]);
      expect(await items.run()).toMatchObject({
        error: undefined,
        counts: { queued: 0, stored: 0, tokens: 0 },
      });
    }

    test.each([1, 2, 3])(
      'every call may be made twice: answers that are lost leave nothing wrong behind (%i)',
      async (seed) => {
        const random = seededRandom(seed);
        const provider = new FakeProvider();
        provider.pricePerMillionTokens = 1;
        const items = await someItems(provider);
        const target = await items.target();
        const flaky = (error: () => Error): Hooks => ({
          before: () => {
            if (random() < 0.05) throw error();
          },
          after: () => {
            if (random() < 0.15) throw error();
          },
        });
        const outcome = await runTargets(waiting(flaky(lost), flaky(storeLost)), [target], {
          batchSize: 4,
          batchesInFlight: 3,
          leaseMs: 20_000,
        });
        expect(outcome).toMatchObject({ error: undefined, failures: [] });
        await expectAllWell(items);
        // Bought once, whatever had to be repeated.
        expect(new Set(provider.texts).size).toBe(provider.texts.length);
      },
    );

    test('a database that is away for longer than a lease is waited for, and the rows are done', async () => {
      const provider = new FakeProvider();
      const items = await someItems(provider);
      const target = await items.target();
      let awayUntil = Infinity;
      let isAway = false;
      const notices: string[] = [];
      const context = waiting(
        {
          before: () => {
            if (isAway && performance.now() < awayUntil) throw lost();
          },
        },
        {
          before: ({ method }) => {
            if (method !== 'upsert' || isAway) return;
            isAway = true;
            awayUntil = performance.now() + 1_500;
          },
        },
        notices,
      );
      const outcome = await runTargets(context, [target], { batchSize: 4, batchesInFlight: 2, leaseMs: 400 });
      expect(outcome).toMatchObject({ error: undefined, failures: [] });
      expect(notices).toEqual([
        'Lost the connection to it; trying again for up to 30 s',
        expect.stringMatching(/ is back after [\d.]+ s$/),
      ]);
      await expectAllWell(items);
    });

    test('a store that is away while leases are renewed costs no row its lease', async () => {
      const provider = new FakeProvider();
      const items = await someItems(provider);
      const target = await items.target();
      let awayUntil = 0;
      const context = waiting(
        {},
        {
          before: ({ method }) => {
            if (method === 'upsert') awayUntil ||= performance.now() + 3_000;
            if (performance.now() < awayUntil) throw storeLost();
          },
        },
      );
      const outcome = await runTargets(context, [target], {
        batchSize: 4,
        batchesInFlight: 2,
        leaseMs: 2_000,
      });
      expect(outcome).toMatchObject({ error: undefined, failures: [], warnings: [] });
      await expectAllWell(items);
      expect(provider.texts.length).toBe(new Set(provider.texts).size);
    });
  });
}
