import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FingerprintSettings } from '../../src/pipeline/fingerprint.ts';
import { fingerprintSettings } from '../../src/pipeline/fingerprint.ts';
import { ensureGeneration, findGeneration, findGenerationId } from '../../src/pipeline/generation.ts';
import type { OpenGeneration } from '../../src/pipeline/generation.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { Gate } from '../helpers/gate.ts';
import { intercept } from '../helpers/intercept.ts';
import type { Call } from '../helpers/intercept.ts';
import { Items, tableEntity } from '../helpers/pipeline.ts';
import type { PipelineContext } from '../helpers/pipeline.ts';

const rows = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: String(index + 1),
    name: `name ${index}`,
    body: 'b',
    tag: 'x',
  }));
const SETTINGS = fingerprintSettings(tableEntity('t'), new FakeProvider());

for (const variant of availableBackends()) describeGenerations(variant);

function describeGenerations(variant: BackendVariant): void {
  describe(`generations on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    const ensure = (
      collection: string,
      settings: FingerprintSettings = SETTINGS,
      context: Partial<PipelineContext> = {},
    ) => {
      const { database, store } = { ...backend, ...context };
      return ensureGeneration(database, store, collection, settings, { report: () => {} });
    };
    const itemsOf = (ending: string) =>
      Items.create(backend, rows(5), { collection: backend.testStore.name(ending) });
    const physicalOf = async (items: Items) => (await items.target()).generation.physical;

    test('the first one is made with its collection and alias, and found again', async () => {
      const collection = backend.testStore.name('first');
      expect(await findGeneration(backend.database, backend.store, collection, SETTINGS)).toBeNull();
      const generation = await ensure(collection);
      expect(generation).toEqual<OpenGeneration>({
        id: expect.any(Number) as number,
        number: 1,
        collection,
        physical: `${collection}__1`,
        fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        dimensions: 8,
        isEmpty: true,
      });
      expect(await backend.store.describeCollection(generation.physical)).toEqual({
        dimensions: 8,
        distance: 'cosine',
      });
      expect(await backend.store.resolveAlias(collection)).toBe(generation.physical);
      expect(await ensure(collection)).toEqual(generation);
      expect(await findGeneration(backend.database, backend.store, collection, SETTINGS)).toEqual({
        ...generation,
        isEmpty: undefined,
      });
      expect(await findGenerationId(backend.database, backend.store.location, collection)).toBe(
        generation.id,
      );
    });

    describe('settings that have changed', () => {
      const entity = tableEntity('t');
      test.each<[string, FingerprintSettings]>([
        ['template', fingerprintSettings({ ...entity, text: '{{ name }}' }, new FakeProvider())],
        [
          'chunking',
          fingerprintSettings({ ...entity, chunk: { maxTokens: 9, overlap: 0 } }, new FakeProvider()),
        ],
        [
          'model (fake/model, now fake/other)',
          fingerprintSettings(entity, new FakeProvider({ modelId: 'fake/other' })),
        ],
        [
          'model (fake/model, now fake/other), width (8, now 4)',
          fingerprintSettings(entity, new FakeProvider({ modelId: 'fake/other', dimensions: 4 })),
        ],
        ['provider (fake, now other)', { ...SETTINGS, provider: 'other' }],
      ])('are refused by name, and nothing is touched: %s', async (name, settings) => {
        const collection = backend.testStore.name('settings');
        const before = await ensure(collection);
        const error = expect.objectContaining({
          family: 'usage',
          code: 'fingerprint_changed',
          message: expect.stringContaining(
            `was built with another ${name}, and vectors of two kinds are never mixed`,
          ),
        });
        await expect(ensure(collection, settings)).rejects.toEqual(error);
        await expect(findGeneration(backend.database, backend.store, collection, settings)).rejects.toEqual(
          error,
        );
        expect(await ensure(collection)).toEqual(before);
      });
    });

    describe('a collection that this database does not know', () => {
      const foreign = (name: string) =>
        expect.objectContaining({
          family: 'usage',
          code: 'collection_foreign',
          message: expect.stringContaining(`already has a collection ${name} `),
        });

      test('is refused when it has the name of the first generation', async () => {
        const collection = backend.testStore.name('foreign');
        await backend.store.createCollection(`${collection}__1`, 8);
        await expect(ensure(collection)).rejects.toEqual(foreign(`${collection}__1`));
        expect(await findGenerationId(backend.database, backend.store.location, collection)).toBeNull();
      });

      test('is refused when the alias leads to it', async () => {
        const collection = backend.testStore.name('aliased');
        await backend.store.createCollection(`${collection}_other`, 8);
        await backend.store.setAlias(collection, `${collection}_other`);
        await expect(ensure(collection)).rejects.toEqual(foreign(`${collection}_other`));
        expect(await backend.store.resolveAlias(collection)).toBe(`${collection}_other`);
      });

      test('is refused when it has the name of the alias, and nothing is left behind', async () => {
        const collection = backend.testStore.name('namesake');
        await backend.store.createCollection(collection, 8);
        await expect(ensure(collection)).rejects.toEqual(foreign(collection));
        expect(await backend.store.describeCollection(`${collection}__1`)).toBeNull();
        expect(await findGenerationId(backend.database, backend.store.location, collection)).toBeNull();
      });
    });

    describe('several processes', () => {
      test('make the same one at once', async () => {
        const collection = backend.testStore.name('race');
        await using other = await backend.testStore.open();
        const all = await Promise.all(
          Array.from({ length: 8 }, (_, index) =>
            ensure(collection, SETTINGS, { store: index % 2 === 0 ? backend.store : other }),
          ),
        );
        for (const each of all) expect(each).toEqual(all[0]);
        expect(await backend.store.resolveAlias(collection)).toBe(`${collection}__1`);
      });

      test('do not take each other’s collection for a foreign one', async () => {
        const collection = backend.testStore.name('overtaken');
        const looked = new Gate();
        const slow = intercept(backend.database, {
          after: async ({ args: [sql] }: Call) => {
            if (String(sql).includes('from vecpipe.generations') && looked.arrived === 0) await looked.pass();
          },
        });
        const late = ensure(collection, SETTINGS, { database: slow });
        await looked.waiting();
        const early = await ensure(collection);
        looked.open();
        expect(await late).toEqual(early);
      });

      test('that die in the middle are taken over', async () => {
        const died = new Error('the process died');
        for (const method of ['createCollection', 'setAlias'] as const) {
          for (const moment of ['before', 'after'] as const) {
            const collection = backend.testStore.name(`${moment}_${method}`);
            const die = (call: Call) => {
              if (call.method === method) throw died;
            };
            const store = intercept(backend.store, { [moment]: die });
            await expect(ensure(collection, SETTINGS, { store })).rejects.toBe(died);
            expect(await ensure(collection)).toMatchObject({ number: 1 });
            expect(await backend.store.resolveAlias(collection)).toBe(`${collection}__1`);
          }
        }
      });
    });

    describe('a collection that has changed behind our back', () => {
      test('is made anew when it was deleted, and every row is written again, with a warning', async () => {
        const items = await itemsOf('deleted');
        await items.run();
        await backend.store.deleteCollection(await physicalOf(items));
        const { error, warnings, counts } = await items.run();
        expect(error).toBeUndefined();
        expect(warnings).toEqual([
          expect.stringMatching(/__1 holds no point any more; its 5 recorded rows are written again$/),
        ]);
        expect(counts).toMatchObject({ inserted: 5, stored: 5 });
        expect(await items.differences()).toEqual([]);
        expect(await items.run()).toMatchObject({ warnings: [], counts: { unchanged: 5 } });
      });

      test('is filled again when it was emptied', async () => {
        const items = await itemsOf('emptied');
        await items.run();
        const chunks = rows(5).map(({ id }) => ({
          tenant: items.tenant,
          entity: 'items',
          key: id,
          fromChunk: 0,
        }));
        await backend.store.deleteChunks(await physicalOf(items), chunks);
        expect(await items.run()).toMatchObject({
          error: undefined,
          warnings: [expect.any(String)],
          counts: { stored: 5 },
        });
        expect(await items.differences()).toEqual([]);
      });

      test('gets its alias back', async () => {
        const items = await itemsOf('unnamed');
        await items.run();
        const other = backend.testStore.name('stranger');
        await backend.store.createCollection(other, 8);
        await backend.store.setAlias(items.entity.collection, other);
        expect(await items.run()).toMatchObject({ error: undefined, warnings: [], counts: { unchanged: 5 } });
        expect(await items.differences()).toEqual([]);
      });

      test('of another width is refused', async () => {
        const items = await itemsOf('width');
        const physical = await physicalOf(items);
        await backend.store.deleteCollection(physical);
        await backend.store.createCollection(physical, 4);
        await expect(items.target()).rejects.toMatchObject({ family: 'usage', code: 'collection_width' });
      });

      test('does not take along what another process recorded since it was seen to be empty', async () => {
        const items = await itemsOf('shared_start');
        await items.target();
        const counted = new Gate();
        const store = intercept(backend.store, {
          after: async ({ method }) => {
            if (method === 'count' && counted.arrived === 0) await counted.pass();
          },
        });
        const late = items.run({ limit: 0 }, { store });
        await counted.waiting();
        await items.run();
        counted.open();
        expect(await late).toMatchObject({ error: undefined, warnings: [], counts: { unchanged: 5 } });
        expect(await items.state()).toHaveLength(5);
      });
    });

    test('another store starts from nothing, and the first is still known', async () => {
      const items = await itemsOf('moved');
      await items.run();
      const elsewhere = new Proxy(backend.store, {
        get: (store, name) => {
          if (name === 'location') return 'another store';
          const value = Reflect.get(store, name, store) as unknown;
          return typeof value === 'function' ? (value.bind(store) as unknown) : value;
        },
      });
      await expect(items.run({}, { store: elsewhere })).rejects.toMatchObject({ code: 'collection_foreign' });
      await backend.store.deleteCollection(await physicalOf(items));
      expect(await items.run({}, { store: elsewhere })).toMatchObject({
        warnings: [],
        counts: { inserted: 5, stored: 5 },
      });
      expect(await items.state()).toHaveLength(10);
    });
  });
}
