import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Payload, Point, PointFilter, VectorStore } from '../../src/ports/vector-store.ts';
import type { TestStore } from '../helpers/stores.ts';
import { makePoint, nearestByHand, randomVector, seededRandom, uuidOf } from './vector-store-points.ts';

const usage = (code: string) => expect.objectContaining({ name: 'VecpipeError', family: 'usage', code });

/** What every store promises, see src/ports/vector-store.ts. */
export function describeVectorStore(name: string, open: () => Promise<TestStore>): void {
  describe(name, () => {
    let testStore: TestStore;
    let store: VectorStore;

    beforeAll(async () => {
      testStore = await open();
      store = testStore.store;
    });
    afterAll(async () => {
      await testStore?.[Symbol.asyncDispose]();
    });

    /** A collection of its own, of four dimensions where nothing else is said. */
    async function collectionOf(points: readonly Point[], ending: string, dimensions = 4): Promise<string> {
      const collection = testStore.name(ending);
      await store.createCollection(collection, dimensions);
      if (points.length > 0) await store.upsert(collection, points);
      return collection;
    }

    async function payloadsById(collection: string): Promise<Map<string, Payload>> {
      const page = await store.scroll(collection, { limit: 1000 });
      return new Map(page.map(({ id, payload }) => [id, payload]));
    }

    describe('collections', () => {
      test('are described once they exist, and only then', async () => {
        const collection = testStore.name('describe');
        expect(await store.describeCollection(collection)).toBeNull();
        await store.createCollection(collection, 5);
        expect(await store.describeCollection(collection)).toEqual({ dimensions: 5, distance: 'cosine' });
        await store.deleteCollection(collection);
        expect(await store.describeCollection(collection)).toBeNull();
      });

      test('can be made again with the same width, which keeps the points, but not with another', async () => {
        const collection = await collectionOf([makePoint(1)], 'again');
        await store.createCollection(collection, 4);
        expect(await store.count(collection)).toBe(1);
        await expect(store.createCollection(collection, 5)).rejects.toEqual(usage('collection_width'));
        expect(await store.describeCollection(collection)).toMatchObject({ dimensions: 4 });
        expect(await store.count(collection)).toBe(1);
      });

      test('can be made by many at once', async () => {
        const collection = testStore.name('race');
        await using other = await testStore.open();
        const all = Array.from({ length: 10 }, (_, index) =>
          (index % 2 === 0 ? store : other).createCollection(collection, 4),
        );
        await Promise.all(all);
        await store.upsert(collection, [makePoint(1)]);
        expect(await other.count(collection)).toBe(1);
      });

      test('that do not exist can be deleted', async () => {
        await store.deleteCollection(testStore.name('never'));
      });

      test('made anew after a deletion are empty, also for who knew the old one', async () => {
        const collection = await collectionOf([makePoint(1)], 'anew');
        await using other = await testStore.open();
        expect(await other.count(collection)).toBe(1);
        await store.deleteCollection(collection);
        await store.createCollection(collection, 4);
        expect(await other.count(collection)).toBe(0);
        await other.upsert(collection, [makePoint(2)]);
        expect((await store.scroll(collection, { limit: 9 })).map(({ id }) => id)).toEqual([uuidOf(2)]);
      });

      test('and aliases may have any name', async () => {
        for (const ending of [
          'ünï 🦊',
          "it's",
          'a.b..c',
          '100%41&x=1#y;z',
          'Ω{}[]()=+~`!@$^,',
          '日本語',
          'UPPER',
          'upper',
        ]) {
          const collection = await collectionOf([makePoint(1, { name: ending })], ending);
          const alias = testStore.name(`alias of ${ending}`);
          await store.setAlias(alias, collection);
          expect(await store.resolveAlias(alias)).toBe(collection);
          const [found] = await store.search(alias, Float32Array.of(1, 0, 0, 0), { limit: 1 });
          expect(found?.payload['name']).toBe(ending);
          await store.deleteCollection(collection);
        }
      });

      test('that do not exist are a usage error for whoever reads or writes them', async () => {
        const missing = testStore.name('missing');
        const row = { tenant: '1', entity: 'projects', key: '1', fromChunk: 0 };
        const calls: Record<string, Promise<unknown>> = {
          readLoadSettings: store.readLoadSettings(missing),
          beginLoad: store.beginLoad(missing),
          endLoad: store.endLoad(missing, {}),
          finishLoad: store.finishLoad(missing),
          waitForLoad: store.finishLoad(missing, { waits: true }),
          upsert: store.upsert(missing, [makePoint(1)]),
          setPayload: store.setPayload(missing, [makePoint(1)]),
          deleteChunks: store.deleteChunks(missing, [row]),
          deletePoints: store.deletePoints(missing, [uuidOf(1)]),
          retrieve: store.retrieve(missing, [uuidOf(1)]),
          scroll: store.scroll(missing, { limit: 1 }),
          count: store.count(missing),
          search: store.search(missing, Float32Array.of(1, 0, 0, 0), { limit: 1 }),
        };
        const errors = await Promise.all(
          Object.entries(calls).map(async ([method, call]) => [
            method,
            await call.then(String, (error) => error.code),
          ]),
        );
        expect(errors).toEqual(Object.keys(calls).map((method) => [method, 'collection_missing']));
      });

      test('are listed, aliases apart', async () => {
        const names = ['listed b', 'listed a', 'Listed', 'listed ü'].map((ending) => testStore.name(ending));
        for (const name of names) await store.createCollection(name, 4);
        const alias = testStore.name('listed alias');
        await store.setAlias(alias, names[0]!);
        const listed = await store.listCollections();
        expect(listed).toEqual(listed.toSorted());
        expect(listed).toEqual(expect.arrayContaining(names));
        expect(listed).not.toContain(alias);
        const aliases = await store.listAliases();
        expect(aliases.get(alias)).toBe(names[0]);
        expect(aliases.has(names[0]!)).toBe(false);
        await store.deleteCollection(names[0]!);
        expect(await store.listCollections()).not.toContain(names[0]);
        expect((await store.listAliases()).has(alias)).toBe(false);
      });

      test('may be made like another of another width', async () => {
        const model = await collectionOf([makePoint(1)], 'model');
        const collection = testStore.name('like model');
        await store.createCollection(collection, 7, { like: model });
        expect(await store.describeCollection(collection)).toEqual({ dimensions: 7, distance: 'cosine' });
        expect(await store.count(collection)).toBe(0);
        await store.createCollection(collection, 7, { like: model });
      });

      test('tell their size where the store does', async () => {
        const collection = await collectionOf(
          Array.from({ length: 100 }, (_, index) => makePoint(index)),
          'size',
        );
        const bytes = await store.collectionBytes(collection);
        if (store.kind === 'qdrant') expect(bytes).toBeNull();
        else expect(bytes).toBeGreaterThan(100 * 4 * 4);
      });
    });

    describe('a load', () => {
      test('leaves settings, points and searches as they were', async () => {
        const collection = await collectionOf([makePoint(1)], 'load');
        const before = await store.readLoadSettings(collection);
        await store.beginLoad(collection);
        await store.beginLoad(collection);
        await store.upsert(collection, [makePoint(2), makePoint(3)]);
        const during = await store.readLoadSettings(collection);
        if (before !== null) expect(during).not.toEqual(before);
        // As a later run does it, which has them from where they were kept.
        const kept = JSON.parse(JSON.stringify(before ?? {})) as typeof before & object;
        await store.endLoad(collection, kept);
        await store.endLoad(collection, kept);
        await store.finishLoad(collection, { waits: true });
        await store.finishLoad(collection, { waits: true });
        expect(await store.readLoadSettings(collection)).toEqual(before);
        expect(await store.search(collection, Float32Array.of(1, 0, 0, 0), { limit: 9 })).toHaveLength(3);
      });
    });

    describe('aliases', () => {
      test('resolve to nothing, then to where they were last put', async () => {
        const one = await collectionOf([], 'alias_one');
        const two = await collectionOf([], 'alias_two');
        const alias = testStore.name('alias');
        expect(await store.resolveAlias(alias)).toBeNull();
        await store.setAlias(alias, one);
        await store.setAlias(alias, one);
        expect(await store.resolveAlias(alias)).toBe(one);
        await store.setAlias(alias, two);
        expect(await store.resolveAlias(alias)).toBe(two);
        expect(await store.resolveAlias(two)).toBeNull();
      });

      test('are not collections', async () => {
        const collection = await collectionOf([makePoint(1)], 'behind');
        const alias = testStore.name('before');
        await store.setAlias(alias, collection);
        expect(await store.describeCollection(alias)).toBeNull();
        await expect(store.createCollection(alias, 4)).rejects.toEqual(usage('collection_name_taken'));
        await store.deleteCollection(alias);
        expect(await store.resolveAlias(alias)).toBe(collection);
        expect(await store.count(collection)).toBe(1);
      });

      test('stay where they are when the new target does not exist', async () => {
        const collection = await collectionOf([], 'kept');
        const alias = testStore.name('keeps');
        await store.setAlias(alias, collection);
        await expect(store.setAlias(alias, testStore.name('nowhere'))).rejects.toEqual(
          usage('alias_target_missing'),
        );
        await expect(store.setAlias(testStore.name('other'), alias)).rejects.toEqual(
          usage('alias_target_missing'),
        );
        expect(await store.resolveAlias(alias)).toBe(collection);
      });

      test('cannot have the name of a collection, and the message says what to do', async () => {
        const plain = await collectionOf([], 'plain');
        const collection = await collectionOf([], 'plain__1');
        await expect(store.setAlias(plain, collection)).rejects.toEqual(usage('alias_name_taken'));
        await expect(store.setAlias(plain, collection)).rejects.toMatchObject({
          message: expect.stringContaining(`has a plain collection named ${plain}, so the alias`),
          hint: expect.stringContaining('`collection:`'),
        });
        expect(await store.resolveAlias(plain)).toBeNull();
      });

      test('go with their collection', async () => {
        const collection = await collectionOf([], 'going');
        const alias = testStore.name('gone');
        await store.setAlias(alias, collection);
        await store.deleteCollection(collection);
        expect(await store.resolveAlias(alias)).toBeNull();
      });

      test('move while others search through them, and no search fails or sees two generations', async () => {
        const generations = await Promise.all(
          [1, 2].map((generation) =>
            collectionOf(
              Array.from({ length: 20 }, (_, index) => makePoint(index, { generation })),
              `moving__${generation}`,
            ),
          ),
        );
        const alias = testStore.name('moving');
        await store.setAlias(alias, generations[0]!);
        await using reader = await testStore.open();
        let moving = true;
        const seen = new Set<unknown>();
        const searching = Array.from({ length: 2 }, async () => {
          let searches = 0;
          for (; moving || searches < 3; searches++) {
            const found = await reader.search(alias, Float32Array.of(1, 0, 0, 0), { limit: 20 });
            const kinds = new Set(found.map(({ payload }) => payload['generation']));
            expect(found).toHaveLength(20);
            expect(kinds.size).toBe(1);
            for (const kind of kinds) seen.add(kind);
          }
        });
        try {
          // Three moves to each side, so that readers in step with the writer see both.
          for (let move = 1; move <= 60; move++)
            await store.setAlias(alias, generations[Math.floor(move / 3) % 2]!);
        } finally {
          moving = false;
        }
        await Promise.all(searching);
        expect(seen.size).toBe(2);
      });

      test('lead on when the old generation is dropped under a reader', async () => {
        const alias = testStore.name('dropping');
        await using reader = await testStore.open();
        await store.setAlias(alias, await collectionOf([makePoint(1)], 'dropping__0'));
        let dropping = true;
        const searching = (async () => {
          while (dropping)
            expect(await reader.search(alias, Float32Array.of(1, 0, 0, 0), { limit: 1 })).toHaveLength(1);
        })();
        try {
          for (let generation = 1; generation <= 8; generation++) {
            await store.setAlias(alias, await collectionOf([makePoint(1)], `dropping__${generation}`));
            await store.deleteCollection(testStore.name(`dropping__${generation - 1}`));
          }
        } finally {
          dropping = false;
        }
        await searching;
      });
    });

    describe('points', () => {
      test('come back as they were written, vectors at unit length', async () => {
        const payload = {
          text: 'quotes " \' ` \\ / and\ttabs\nlines 🦊 e\u0301 ünï 日本語 \u2028',
          'a key.with dots "and quotes" 🦊': 'x',
          ключ: 'значение',
          '': 'empty key',
          numbers: [0, -1, 1.5, 1e21, 1e-7, 9007199254740991],
          yes: true,
          nested: { deep: [{ er: null }, [], {}] },
          empty: '',
        };
        const point = { ...makePoint(1, payload), vector: Float32Array.of(3, 0, 4, -1e-3) };
        const collection = await collectionOf([point], 'roundtrip');
        const [found] = await store.retrieve(collection, [point.id], { withVectors: true });
        expect(found?.payload).toEqual(point.payload);
        const length = Math.hypot(...point.vector);
        for (const [index, value] of point.vector.entries())
          expect(found?.vector?.[index]).toBeCloseTo(value / length, 6);
      });

      test('keep the very floats of a unit-length vector', async () => {
        const random = seededRandom(7);
        const points = Array.from({ length: 50 }, (_, index) => ({
          ...makePoint(index),
          vector: randomVector(random, 384),
        }));
        const collection = await collectionOf(points, 'floats', 384);
        const found = await store.retrieve(
          collection,
          points.map(({ id }) => id),
          { withVectors: true },
        );
        const byId = new Map(found.map(({ id, vector }) => [id, vector]));
        let largest = 0;
        for (const { id, vector } of points) {
          for (const [index, value] of vector.entries()) {
            largest = Math.max(largest, Math.abs(value - (byId.get(id)?.[index] ?? NaN)));
          }
        }
        // A store may divide by a length of one once more; a lost digit would show as more than this.
        expect(largest).toBeLessThan(1e-7);
      });

      test('are replaced with their whole payload', async () => {
        const collection = await collectionOf(
          [makePoint(1, { old: 1, both: 'a' }, { key: 'x', chunk: 3 })],
          'replaced',
        );
        await store.upsert(collection, [
          { ...makePoint(1, { both: 'b' }, { key: 'y' }), vector: Float32Array.of(0, 1, 0, 0) },
        ]);
        const [found] = await store.scroll(collection, { limit: 9, withVectors: true });
        expect(found).toEqual({
          id: uuidOf(1),
          payload: makePoint(1, { both: 'b' }, { key: 'y' }).payload,
          vector: Float32Array.of(0, 1, 0, 0),
        });
        expect(await store.count(collection, { filter: keyIs('x') })).toBe(0);
        expect(await store.count(collection, { filter: keyIs('y') })).toBe(1);
      });

      test('of one id in one call: the last one stays', async () => {
        const collection = await collectionOf(
          [makePoint(1, { n: 1 }), makePoint(2), makePoint(1, { n: 2 })],
          'twice',
        );
        expect(await store.count(collection)).toBe(2);
        expect((await payloadsById(collection)).get(uuidOf(1))?.['n']).toBe(2);
      });

      test('with a payload of a megabyte each are stored, forty in one call', async () => {
        const text = (index: number) => `${index} ` + '"ü🦊\\n" '.repeat(85_000);
        const points = Array.from({ length: 40 }, (_, index) => makePoint(index, { text: text(index) }));
        const collection = await collectionOf(points, 'large');
        expect(await store.count(collection)).toBe(40);
        for (const index of [0, 39]) {
          const [found] = await store.retrieve(collection, [uuidOf(index)]);
          expect(digest(found?.payload['text'])).toBe(digest(text(index)));
        }
        const changed = points.map((_, index) => makePoint(index, { text: `${text(index)}!` }));
        expect(await store.setPayload(collection, changed)).toEqual([]);
        const [found] = await store.retrieve(collection, [uuidOf(39)]);
        expect(digest(found?.payload['text'])).toBe(digest(`${text(39)}!`));
      });

      test('of another width are refused, and none of the call is stored', async () => {
        const collection = await collectionOf([], 'width');
        const wrong = { ...makePoint(2), vector: Float32Array.of(1, 0) };
        await expect(store.upsert(collection, [makePoint(1), wrong])).rejects.toMatchObject({
          family: 'usage',
        });
        await expect(store.search(collection, Float32Array.of(1, 0), { limit: 1 })).rejects.toMatchObject({
          family: 'usage',
        });
        expect(await store.count(collection)).toBe(0);
      });

      test('with a number that is not finite are refused, and none of the call is stored', async () => {
        const collection = await collectionOf([], 'finite');
        for (const value of [NaN, Infinity]) {
          const wrong = { ...makePoint(2), vector: Float32Array.of(1, value, 0, 0) };
          await expect(store.upsert(collection, [makePoint(1), wrong])).rejects.toThrow('not finite');
        }
        expect(await store.count(collection)).toBe(0);
      });

      test('with a zero vector, should one slip through, harm no other', async () => {
        const zero = { ...makePoint(1), vector: new Float32Array(4) };
        const collection = await collectionOf([zero, makePoint(2), makePoint(3)], 'zero');
        const found = await store.search(collection, Float32Array.of(1, 0, 0, 0), { limit: 3 });
        expect(found).toHaveLength(3);
        expect(found.find(({ id }) => id === zero.id)?.score).toBe(0);
        expect(found.every(({ score }) => Number.isFinite(score))).toBe(true);
        const [read] = await store.retrieve(collection, [zero.id], { withVectors: true });
        expect(read?.vector).toEqual(new Float32Array(4));
      });

      test('written by two at once in opposite orders are all there', async () => {
        const collection = await collectionOf([], 'writers');
        await using other = await testStore.open();
        const points = Array.from({ length: 300 }, (_, index) => makePoint(index));
        for (let round = 0; round < 3; round++) {
          await Promise.all([
            store.upsert(collection, points),
            other.upsert(collection, points.toReversed()),
            store.setPayload(collection, points.toReversed()).catch((error: unknown) => error),
            other.deleteChunks(collection, [
              { tenant: '1', entity: 'projects', key: '999999', fromChunk: 0 },
            ]),
          ]);
        }
        expect(await store.count(collection)).toBe(300);
      });

      test('are found among ids that do not exist', async () => {
        const collection = await collectionOf([makePoint(1), makePoint(2)], 'retrieve');
        const ids = Array.from({ length: 2500 }, (_, index) => uuidOf(index));
        const found = await store.retrieve(collection, ids);
        expect(found.map(({ id }) => id).toSorted()).toEqual([uuidOf(1), uuidOf(2)].toSorted());
        expect(found[0]).not.toHaveProperty('vector');
      });

      test('calls about nothing do nothing', async () => {
        const collection = await collectionOf([makePoint(1)], 'nothing');
        await store.upsert(collection, []);
        await store.deleteChunks(collection, []);
        await store.deletePoints(collection, []);
        expect(await store.setPayload(collection, [])).toEqual([]);
        expect(await store.retrieve(collection, [])).toEqual([]);
        expect(await store.count(collection)).toBe(1);
      });
    });

    describe('setPayload', () => {
      test('replaces each payload, leaves vectors, and tells the ids that do not exist', async () => {
        const points = Array.from({ length: 5 }, (_, index) => makePoint(index, { old: index }));
        const collection = await collectionOf(points, 'payloads');
        const vectors = await store.scroll(collection, { limit: 9, withVectors: true });
        const changes = [7, 0, 8, 1, 4, 9].map((index) =>
          makePoint(index, { new: index }, { key: `k${index}` }),
        );
        const missing = await store.setPayload(collection, changes);
        expect(missing.toSorted()).toEqual([7, 8, 9].map((index) => uuidOf(index)).toSorted());
        const payloads = await payloadsById(collection);
        for (const index of [0, 1, 4]) {
          expect(payloads.get(uuidOf(index))).toEqual(
            makePoint(index, { new: index }, { key: `k${index}` }).payload,
          );
        }
        for (const index of [2, 3]) expect(payloads.get(uuidOf(index))).toEqual(points[index]?.payload);
        expect(payloads.size).toBe(5);
        const after = await store.scroll(collection, { limit: 9, withVectors: true });
        expect(after.map(({ id, vector }) => [id, vector])).toEqual(
          vectors.map(({ id, vector }) => [id, vector]),
        );
        expect(await store.count(collection, { filter: keyIs('k4') })).toBe(1);
      });

      test('takes more points than one batch', async () => {
        const count = store.maxBatchSize + 5;
        const points = Array.from({ length: count }, (_, index) => makePoint(index));
        const collection = await collectionOf(points, 'many_payloads');
        expect(await store.count(collection)).toBe(count);
        const changes = Array.from({ length: count + 1 }, (_, index) => makePoint(index, { changed: true }));
        expect(await store.setPayload(collection, changes)).toEqual([uuidOf(count)]);
        const filter = { must: [{ field: 'changed', anyOf: [true] }] };
        expect(await store.count(collection, { filter })).toBe(count);
      });
    });

    describe('deleteChunks', () => {
      test('deletes from a chunk on, of the rows that are named and no other', async () => {
        const rows = [
          ...[0, 1, 2, 3].map((chunk) => ({ tenant: '1', entity: 'projects', key: 'a', chunk })),
          ...[0, 1].map((chunk) => ({ tenant: '1', entity: 'projects', key: 'b', chunk })),
          { tenant: '2', entity: 'projects', key: 'a', chunk: 0 },
          { tenant: '1', entity: 'wits', key: 'a', chunk: 0 },
          { tenant: '1', entity: 'projects', key: 'c"🦊', chunk: 0 },
          { tenant: '1', entity: 'projects', key: 'd', chunk: 0 },
          { tenant: '1', entity: 'projects', key: 'e', chunk: 0 },
          { tenant: '1', entity: 'projects', key: 'e', chunk: 10 },
        ];
        const collection = await collectionOf(
          rows.map((row, index) => makePoint(index, {}, row)),
          'chunks',
        );
        await store.deleteChunks(collection, [
          { tenant: '1', entity: 'projects', key: 'a', fromChunk: 2 },
          { tenant: '1', entity: 'projects', key: 'b', fromChunk: 0 },
          { tenant: '1', entity: 'projects', key: 'c"🦊', fromChunk: 0 },
          { tenant: '1', entity: 'projects', key: 'no such row', fromChunk: 0 },
          { tenant: '1', entity: 'projects', key: 'e', fromChunk: 2 },
        ]);
        const left = [...(await payloadsById(collection)).values()].map(
          ({ vecpipe: { tenant, entity, key, chunk } }) => [tenant, entity, key, chunk].join(' '),
        );
        expect(left.toSorted()).toEqual([
          '1 projects a 0',
          '1 projects a 1',
          '1 projects d 0',
          '1 projects e 0',
          '1 wits a 0',
          '2 projects a 0',
        ]);
      });

      test('takes more rows than one batch', async () => {
        const count = store.maxBatchSize * 2 + 5;
        const points = Array.from({ length: count }, (_, index) => makePoint(index));
        const collection = await collectionOf(points, 'many_chunks');
        const rows = points.slice(1).map(({ payload: { vecpipe } }) => ({
          tenant: '1',
          entity: 'projects',
          key: vecpipe.key,
          fromChunk: 0,
        }));
        await store.deleteChunks(collection, rows);
        expect([...(await payloadsById(collection)).keys()]).toEqual([uuidOf(0)]);
      });
    });

    describe('deletePoints', () => {
      test('deletes the points with these ids and no other', async () => {
        const collection = await collectionOf(
          [1, 2, 3, 4].map((index) => makePoint(index)),
          'points',
        );
        await store.deletePoints(collection, [uuidOf(1), uuidOf(99), '7', uuidOf(3), uuidOf(3)]);
        const left = [...(await payloadsById(collection)).keys()];
        expect(left).toEqual([uuidOf(2), uuidOf(4)].toSorted());
      });

      test('takes more ids than one batch', async () => {
        const count = store.maxBatchSize * 2 + 5;
        const points = Array.from({ length: count }, (_, index) => makePoint(index));
        const collection = await collectionOf(points, 'many_points');
        await store.deletePoints(
          collection,
          points.slice(1).map(({ id }) => id),
        );
        expect([...(await payloadsById(collection)).keys()]).toEqual([uuidOf(0)]);
      });
    });

    describe('scroll', () => {
      test('reads as much of the payload as is asked for, with and without vectors', async () => {
        const collection = await collectionOf([makePoint(1, { name: 'x', deep: { vecpipe: 1 } })], 'parts');
        const { payload } = makePoint(1, { name: 'x', deep: { vecpipe: 1 } });
        for (const withVectors of [false, true]) {
          const read = async (part: 'all' | 'identity' | 'none') =>
            (await store.scroll(collection, { limit: 9, payload: part, withVectors }))[0];
          expect((await read('all'))?.payload).toEqual(payload);
          expect((await read('identity'))?.payload).toEqual({ vecpipe: payload.vecpipe });
          expect((await read('none'))?.payload).toEqual({});
          expect((await read('none'))?.vector?.length).toBe(withVectors ? 4 : undefined);
        }
      });

      test('takes a number as the id to begin behind', async () => {
        const collection = await collectionOf([makePoint(1)], 'behind number');
        const page = await store.scroll(collection, { limit: 9, after: '18446744073709551615' });
        expect(page.map(({ id }) => id)).toEqual([uuidOf(1)]);
        expect(await store.retrieve(collection, ['7', uuidOf(1)])).toHaveLength(1);
      });

      test('pages through 10,000 points in the order of their ids', async () => {
        const points = Array.from({ length: 10_000 }, (_, index) =>
          makePoint(index, { even: index % 2 === 0 }, { tenant: index % 3 === 0 ? 'third' : 'other' }),
        );
        const collection = await collectionOf(points, 'pages');
        expect(await store.count(collection)).toBe(10_000);
        const expected = points.map(({ id }) => id).toSorted();
        expect(await idsOfPages(store, collection, 999)).toEqual(expected);
        expect(await idsOfPages(store, collection, 5000)).toEqual(expected);
        const third = points.filter((_, index) => index % 3 === 0).map(({ id }) => id);
        const filter = { must: [{ field: 'vecpipe.tenant', anyOf: ['third'] }] };
        expect(await idsOfPages(store, collection, 1000, filter)).toEqual(third.toSorted());
      });

      test('begins after an id whether or not a point has it', async () => {
        const ids = ['00000000', '0fffffff', '7fffffff', '80000000', 'ffffffff'].map(
          (start) => `${start}-0000-4000-8000-000000000000`,
        );
        const points = ids.map((id, index) => ({ ...makePoint(index), id }));
        const collection = await collectionOf(points, 'after');
        const pageAfter = async (after: string, limit = 9) =>
          (await store.scroll(collection, { after, limit })).map(({ id }) => id);
        expect(await pageAfter(ids[1]!)).toEqual(ids.slice(2));
        expect(await pageAfter(ids[1]!, 1)).toEqual(ids.slice(2, 3));
        expect(await pageAfter('7fffffff-0000-4000-8000-000000000001')).toEqual(ids.slice(3));
        expect(await pageAfter('7fffffff-0000-4000-8000-000000000001', 2)).toEqual(ids.slice(3));
        expect(await pageAfter('7ffffffe-ffff-ffff-ffff-ffffffffffff', 1)).toEqual(ids.slice(2, 3));
        expect(await pageAfter(ids[4]!)).toEqual([]);
        expect(await pageAfter('ffffffff-ffff-ffff-ffff-ffffffffffff')).toEqual([]);
      });
    });

    describe('filters', () => {
      let collection: string;
      const payloads: Record<string, Record<string, unknown>> = {
        string: { f: 'x' },
        list: { f: ['w', 'x'] },
        number: { f: 5 },
        fraction: { f: 0.5 },
        numbers: { f: [1, 5, 2.5] },
        yes: { f: true },
        no: { f: false },
        textTrue: { f: 'true' },
        text5: { f: '5' },
        nothing: { f: null },
        absent: {},
        object: { f: { g: 'x' } },
        lists: { f: [['x']] },
        objects: { f: [{ g: 'x' }] },
        nested: { f: { g: ['y', 'x'], 'h.i': 'dotted' } },
        case: { f: 'X' },
        emoji: { f: '🦊"\'' },
        large: { f: 9007199254740991 },
      };
      const names = Object.keys(payloads);

      beforeAll(async () => {
        collection = await collectionOf(
          names.map((name, index) =>
            makePoint(index, payloads[name] as Payload, { key: name, tenant: `t${index % 2}` }),
          ),
          'filters',
        );
      });

      async function matching(must: PointFilter['must']): Promise<string[]> {
        const found = await store.scroll(collection, { limit: 100, filter: { must } });
        expect(await store.count(collection, { filter: { must } })).toBe(found.length);
        return found.map(({ payload }) => payload.vecpipe.key).toSorted();
      }

      test.each<[string, (string | number | boolean)[], string[]]>([
        ['f', ['x'], ['string', 'list']],
        ['f', ['X'], ['case']],
        ['f', ['x', 'X', 'none'], ['string', 'list', 'case']],
        ['f', [5], ['number', 'numbers']],
        ['f', ['5'], ['text5']],
        ['f', [0.5], ['fraction']],
        ['f', [2.5], ['numbers']],
        ['f', [true], ['yes']],
        ['f', ['true'], ['textTrue']],
        ['f', [false], ['no']],
        ['f', ['x', 5, false, 0.5], ['string', 'list', 'number', 'numbers', 'no', 'fraction']],
        ['f', ['🦊"\''], ['emoji']],
        ['f', [9007199254740991], ['large']],
        ['f', [], []],
        ['f.g', ['x'], ['object', 'nested']],
        ['f.g', ['y'], ['nested']],
        ['f."h.i"', ['dotted'], ['nested']],
        ['f.h.i', ['dotted'], []],
        ['f.0', ['w'], []],
        ['g', ['x'], []],
        ['vecpipe.key', ['list', 'case', 'none'], ['list', 'case']],
        ['vecpipe.key', [], []],
        ['vecpipe.entity', ['projects'], names],
        ['vecpipe.chunk', [0], names],
      ])('%s is one of %j', async (field, anyOf, expected) => {
        expect(await matching([{ field, anyOf }])).toEqual(expected.toSorted());
      });

      test('every condition must hold', async () => {
        const tenant = { field: 'vecpipe.tenant', anyOf: ['t1'] };
        expect(await matching([tenant, { field: 'f', anyOf: ['x', 5] }])).toEqual(['list']);
        expect(
          await matching([
            { field: 'f', anyOf: ['w'] },
            { field: 'f', anyOf: ['x'] },
          ]),
        ).toEqual(['list']);
        expect(await matching([])).toEqual(names.toSorted());
      });

      test('a field that is no path is a usage error', async () => {
        const filter = { must: [{ field: 'a..b', anyOf: ['x'] }] };
        await expect(store.count(collection, { filter })).rejects.toEqual(usage('filter_field_invalid'));
        const search = store.search(collection, Float32Array.of(1, 0, 0, 0), { limit: 1, filter });
        await expect(search).rejects.toEqual(usage('filter_field_invalid'));
      });
    });

    describe('search', () => {
      const random = seededRandom(42);
      const points = Array.from({ length: 500 }, (_, index) => ({
        ...makePoint(index, { group: index % 7 }, { tenant: `t${index % 5}` }),
        vector: randomVector(random, 32),
      }));
      let collection: string;

      beforeAll(async () => {
        collection = await collectionOf(points, 'search', 32);
      });

      test.each<[string, PointFilter | undefined]>([
        ['without a filter', undefined],
        ['in one tenant', { must: [{ field: 'vecpipe.tenant', anyOf: ['t3'] }] }],
        [
          'in one tenant and two groups',
          {
            must: [
              { field: 'vecpipe.tenant', anyOf: ['t3'] },
              { field: 'group', anyOf: [1, 2] },
            ],
          },
        ],
      ])('finds the nearest, best first, %s', async (_name, filter) => {
        for (let round = 0; round < 10; round++) {
          const query = randomVector(random, 32);
          const expected = nearestByHand(points, query, filter).slice(0, 12);
          const found = await store.search(collection, query, { limit: 12, ...(filter ? { filter } : {}) });
          expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
          for (const [index, { score }] of found.entries())
            expect(score).toBeCloseTo(expected[index]!.score, 5);
          expect(found[0]?.payload).toEqual(points.find(({ id }) => id === found[0]?.id)?.payload);
        }
      });

      test('the length of the query does not matter', async () => {
        const query = randomVector(random, 32);
        const found = await store.search(collection, query, { limit: 5 });
        const longer = await store.search(
          collection,
          query.map((value) => value * 7),
          { limit: 5 },
        );
        expect(longer.map(({ id }) => id)).toEqual(found.map(({ id }) => id));
        for (const [index, { score }] of longer.entries()) expect(score).toBeCloseTo(found[index]!.score, 5);
      });

      test('gives what there is when the limit is larger, and nothing where nothing matches', async () => {
        const query = randomVector(random, 32);
        expect(await store.search(collection, query, { limit: 2000 })).toHaveLength(500);
        const filter = { must: [{ field: 'vecpipe.tenant', anyOf: ['nobody'] }] };
        expect(await store.search(collection, query, { limit: 5, filter })).toEqual([]);
      });

      test('finishLoad changes no result and can be called again', async () => {
        const query = randomVector(random, 32);
        const before = await store.search(collection, query, { limit: 10 });
        await store.finishLoad(collection);
        await store.finishLoad(collection);
        expect(await store.search(collection, query, { limit: 10 })).toEqual(before);
      });
    });

    describe('lifetime', () => {
      test('an aborted signal stops every method before it does anything', async () => {
        const collection = await collectionOf([makePoint(1)], 'aborted');
        const signal = AbortSignal.abort(new Error('asked to stop'));
        const row = { tenant: '1', entity: 'projects', key: '1', fromChunk: 0 };
        const calls: Record<string, () => Promise<unknown>> = {
          describeCollection: () => store.describeCollection(collection, { signal }),
          listCollections: () => store.listCollections({ signal }),
          listAliases: () => store.listAliases({ signal }),
          collectionBytes: () => store.collectionBytes(collection, { signal }),
          readLoadSettings: () => store.readLoadSettings(collection, { signal }),
          beginLoad: () => store.beginLoad(collection, { signal }),
          endLoad: () => store.endLoad(collection, {}, { signal }),
          waitForLoad: () => store.finishLoad(collection, { waits: true, signal }),
          deletePoints: () => store.deletePoints(collection, [uuidOf(1)], { signal }),
          createCollection: () => store.createCollection(testStore.name('unmade'), 4, { signal }),
          deleteCollection: () => store.deleteCollection(collection, { signal }),
          finishLoad: () => store.finishLoad(collection, { signal }),
          resolveAlias: () => store.resolveAlias(collection, { signal }),
          setAlias: () => store.setAlias(testStore.name('unset'), collection, { signal }),
          upsert: () => store.upsert(collection, [makePoint(2)], { signal }),
          setPayload: () => store.setPayload(collection, [makePoint(1, { a: 1 })], { signal }),
          deleteChunks: () => store.deleteChunks(collection, [row], { signal }),
          retrieve: () => store.retrieve(collection, [uuidOf(1)], { signal }),
          scroll: () => store.scroll(collection, { limit: 1, signal }),
          count: () => store.count(collection, { signal }),
          search: () => store.search(collection, Float32Array.of(1, 0, 0, 0), { limit: 1, signal }),
          open: () => testStore.open({ signal }),
        };
        for (const [method, call] of Object.entries(calls)) {
          await expect(call(), method).rejects.toThrow('asked to stop');
        }
        expect(await store.count(collection)).toBe(1);
        expect((await payloadsById(collection)).get(uuidOf(1))).toEqual(makePoint(1).payload);
        expect(await store.describeCollection(testStore.name('unmade'))).toBeNull();
      });

      test('disposal is idempotent, and a closed store does nothing', async () => {
        const collection = await collectionOf([], 'closed');
        const closing = await testStore.open();
        await closing[Symbol.asyncDispose]();
        await closing[Symbol.asyncDispose]();
        await expect(closing.count(collection)).rejects.toThrow('closed');
        await expect(closing.upsert(collection, [makePoint(1)])).rejects.toThrow('closed');
        expect(await store.count(collection)).toBe(0);
      });

      test('the location names the store and holds no secret', () => {
        expect(store.location.startsWith(store.kind)).toBe(true);
        expect(store.location).not.toMatch(/@|\?|key/i);
      });
    });
  });
}

function keyIs(key: string): PointFilter {
  return { must: [{ field: 'vecpipe.key', anyOf: [key] }] };
}

async function idsOfPages(
  store: VectorStore,
  collection: string,
  limit: number,
  filter?: PointFilter,
): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const after = ids.at(-1);
    const page = await store.scroll(collection, {
      limit,
      ...(after === undefined ? {} : { after }),
      ...(filter ? { filter } : {}),
    });
    ids.push(...page.map(({ id }) => id));
    if (page.length < limit) return ids;
  }
}

/** A comparison of megabytes that does not print them. */
function digest(text: unknown): string {
  return createHash('sha256').update(String(text)).digest('hex');
}
