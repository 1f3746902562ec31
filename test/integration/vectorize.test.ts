import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Entity } from '../../src/entities/entity.ts';
import { unavailableError } from '../../src/errors/vecpipe-error.ts';
import { planRows } from '../../src/pipeline/plan.ts';
import type { PlanOptions } from '../../src/pipeline/plan.ts';
import type { VectorStore } from '../../src/ports/vector-store.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider, fakeVector } from '../helpers/fake-provider.ts';
import { Gate } from '../helpers/gate.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items, runTargets } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const row = (id: string | number, changes: Partial<ItemRow> = {}): ItemRow => ({
  id: String(id),
  name: `name ${id}`,
  body: `body of ${id}`,
  tag: 'x',
  ...changes,
});
const rows = (count: number) => Array.from({ length: count }, (_, index) => row(index + 1));
const words = (count: number, first = 'w') =>
  Array.from({ length: count }, (_, index) => `${first}${index}`).join(' ');

for (const variant of availableBackends()) describeVectorize(variant);

function describeVectorize(variant: BackendVariant): void {
  describe(`vectorize on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    /** Items in the collection that all tests share: what belongs to others must never matter. */
    const itemsOf = (given: readonly ItemRow[], changes: Partial<Entity> = {}, provider?: FakeProvider) =>
      Items.create(backend, given, { collection: backend.testStore.name('shared'), ...changes }, provider);
    const chunked = { collection: '', chunk: { maxTokens: 3, overlap: 0 } };
    const chunkedItems = (given: readonly ItemRow[]) =>
      itemsOf(given, { ...chunked, collection: backend.testStore.name('chunked') });
    async function stored(given: readonly ItemRow[], changes?: Partial<Entity>): Promise<Items> {
      const items = await itemsOf(given, changes);
      await items.run();
      items.provider.calls.length = 0;
      return items;
    }

    /** The store with a record of what was written to it. */
    function recordingStore(): { store: VectorStore; calls: string[] } {
      const calls: string[] = [];
      const before = ({ method }: { method: string }) => {
        if (['upsert', 'setPayload', 'deleteChunks'].includes(method)) calls.push(method);
      };
      return { store: intercept(backend.store, { before }), calls };
    }

    describe('the first run', () => {
      test('stores every row, with vector, payload and identity, and leaves the queue empty', async () => {
        const items = await itemsOf(rows(25), { labelColumn: 'name' });
        const { counts, failures, error, warnings } = await items.run();
        expect({ failures, error, warnings }).toEqual({ failures: [], error: undefined, warnings: [] });
        expect(counts).toMatchObject({
          inserted: 25,
          queued: 25,
          embedded: 25,
          stored: 25,
          pending: 0,
          failed: 0,
        });
        expect(counts.tokens).toBe(25 * 5);
        expect(await items.differences()).toEqual([]);
        expect(await items.queue()).toEqual([]);
        const [point] = await items.points();
        const target = await items.target();
        expect(point?.payload).toEqual({
          tag: 'x',
          vecpipe: {
            tenant: items.tenant,
            entity: 'items',
            key: '1',
            label: 'name 1',
            chunk: 0,
            hash: expect.stringMatching(/^[0-9a-f]{32}$/),
            fingerprint: target.generation.fingerprint,
          },
        });
      });

      test('says what it does, row by row, and never a row’s text', async () => {
        const items = await itemsOf([row(1, { body: 'secret' })]);
        const { events } = await items.run();
        expect(events.filter(({ type }) => type !== 'step')).toEqual([
          { type: 'queued', tenant: items.tenant, entity: 'items', queued: 1 },
          { type: 'progress', done: 0, total: 1 },
          { type: 'processing', tenant: items.tenant, entity: 'items', label: '1' },
          { type: 'embedded', tenant: items.tenant, entity: 'items', dimensions: 8 },
          { type: 'stored', pointId: expect.any(String), collection: items.entity.collection },
          { type: 'progress', done: 1, total: 1 },
        ]);
        expect(JSON.stringify(events)).not.toContain('secret');
      });

      test('of an empty source makes an empty collection', async () => {
        const items = await itemsOf([], { collection: backend.testStore.name('empty') });
        expect(await items.run()).toMatchObject({ error: undefined, warnings: [], counts: { stored: 0 } });
        expect(await items.points()).toEqual([]);
        expect(await items.run()).toMatchObject({ error: undefined, warnings: [] });
      });
    });

    describe('a later run', () => {
      test('of unchanged rows does nothing at all', async () => {
        const items = await stored(rows(5));
        const { store, calls } = recordingStore();
        const { counts } = await items.run({}, { store });
        expect(counts).toMatchObject({ unchanged: 5, queued: 0, stored: 0, tokens: 0 });
        expect([items.provider.calls, calls]).toEqual([[], []]);
      });

      test('embeds a changed text, and that one alone', async () => {
        const items = await stored(rows(5));
        await items.table.set('3', 'body', 'other');
        const { counts } = await items.run();
        expect(items.provider.texts).toEqual(['name 3\nother']);
        expect(counts).toMatchObject({ updated: 1, embedded: 1, stored: 1, unchanged: 4 });
        expect(await items.differences()).toEqual([]);
      });

      test('writes only the payload where only the payload changed', async () => {
        const items = await stored(rows(5));
        await items.table.set('3', 'tag', 'other');
        const { store, calls } = recordingStore();
        const { counts } = await items.run({}, { store });
        expect([items.provider.calls, calls]).toEqual([[], ['setPayload']]);
        expect(counts).toMatchObject({ updated: 1, payloadOnly: 1, embedded: 0, stored: 0 });
        expect(await items.differences()).toEqual([]);
      });

      test('does nothing for a column that neither text nor payload nor label uses', async () => {
        const items = await stored(rows(2));
        await items.table.set('1', 'note', 'other');
        expect((await items.run()).counts).toMatchObject({ unchanged: 2, queued: 0 });
      });

      test('changes nothing where the columns changed but what is made of them did not', async () => {
        const items = await stored([row(1, { body: '' })]);
        await items.table.set('1', 'body', '  ');
        const { store, calls } = recordingStore();
        expect((await items.run({}, { store })).counts).toMatchObject({
          updated: 1,
          stored: 0,
          payloadOnly: 0,
        });
        expect([items.provider.calls, calls]).toEqual([[], []]);
        expect((await items.run()).counts).toMatchObject({ unchanged: 1 });
      });

      test('deletes the points of deleted rows, and only those', async () => {
        const items = await stored(rows(10));
        const other = await stored(rows(3));
        await items.table.remove('4', '7');
        expect((await items.run()).counts).toMatchObject({ deleted: 2, unchanged: 8 });
        expect([await items.differences(), await other.differences()]).toEqual([[], []]);
        expect(await items.state()).toHaveLength(8);
      });

      test('deletes none when too many are gone, says so, and does it when asked', async () => {
        const items = await stored(rows(5));
        await items.table.remove('1', '2');
        const { failures, counts } = await items.run();
        expect(failures).toEqual([
          {
            tenant: items.tenant,
            entity: 'items',
            key: '*',
            code: 'delete_guard',
            message: expect.stringMatching(/^2 of 5 stored rows are gone from table vp\.\w+ .*--yes/),
          },
        ]);
        expect(counts).toMatchObject({ deleted: 0, queued: 0 });
        expect(await items.points()).toHaveLength(5);
        expect((await items.run({ deleteAll: true })).counts).toMatchObject({ deleted: 2 });
        expect(await items.differences()).toEqual([]);
      });

      test('does not look at the source when it is to work on the queue only', async () => {
        const items = await stored(rows(3));
        await items.table.set('1', 'body', 'other');
        expect((await items.run({ queuedOnly: true })).counts).toMatchObject({ queued: 0, stored: 0 });
        expect(await items.differences()).toEqual(['1#0 has the vector of another text']);
      });

      test('stores a row again that came back', async () => {
        const items = await stored(rows(5));
        await items.table.remove('1');
        await items.run();
        await items.table.put(row(1));
        expect((await items.run()).counts).toMatchObject({ inserted: 1, stored: 1 });
        expect(await items.differences()).toEqual([]);
      });
    });

    describe('equal texts', () => {
      test('of a thousand rows are embedded once, also by batches that are under way at once', async () => {
        const same = Array.from({ length: 1_000 }, (_, index) =>
          row(index, { name: 'the same', body: 'text' }),
        );
        const items = await itemsOf(same);
        const gate = new Gate();
        items.provider.before = () => gate.pass();
        let claims = 0;
        const database = intercept(backend.database, {
          before: ({ args: [sql] }) => {
            if (String(sql).includes('skip locked')) claims += 1;
            // The one call of the provider is held until four batches want its text.
            if (claims === 4) gate.open();
          },
        });
        const { counts, error } = await items.run({ batchSize: 100, batchesInFlight: 4 }, { database });
        expect(error).toBeUndefined();
        expect(items.provider.texts).toEqual(['the same\ntext']);
        expect(counts).toMatchObject({ embedded: 1, reused: 999, stored: 1_000, tokens: 3 });
        const points = await items.points();
        expect(points).toHaveLength(1_000);
        expect(new Set(points.map(({ vector }) => vector.join()))).toHaveLength(1);
      });
    });

    describe('a row without text', () => {
      test('has no point and is no failure', async () => {
        const items = await itemsOf([row(1), row(2, { name: null, body: ' ' })]);
        const { counts, failures } = await items.run();
        expect(failures).toEqual([]);
        expect(counts).toMatchObject({ stored: 1, empty: 1, pending: 0, failed: 0 });
        expect(items.provider.texts).toEqual(['name 1\nbody of 1']);
        expect((await items.points()).map(({ key }) => key)).toEqual(['1']);
        expect((await items.run()).counts).toMatchObject({ unchanged: 2, empty: 0 });
      });

      test('loses the points that it had, all of them, and gets them back with its text', async () => {
        const items = await chunkedItems([row(1, { name: words(9), body: '' }), row(2)]);
        await items.run();
        expect(await items.points()).toHaveLength(5);
        await items.table.set('1', 'name', '');
        expect((await items.run()).counts).toMatchObject({ empty: 1, stored: 0 });
        expect((await items.points()).map(({ key }) => key)).toEqual(['2', '2']);
        await items.table.set('1', 'name', words(9));
        expect((await items.run()).counts).toMatchObject({ empty: 0, stored: 1 });
        expect(await items.differences()).toEqual([]);
      });

      test('is not taken for a loss, even where it is all there is', async () => {
        const items = await itemsOf([row(1, { name: '', body: '' })], {
          collection: backend.testStore.name('blank'),
        });
        await items.run();
        expect(await items.run()).toMatchObject({ warnings: [], counts: { unchanged: 1, queued: 0 } });
      });
    });

    describe('a row of several chunks', () => {
      test('that shrinks loses the surplus, and the old points stay until the new ones are written', async () => {
        const items = await chunkedItems([row(1, { name: words(15), body: '' })]);
        await items.run();
        expect(await items.points()).toHaveLength(5);
        await items.table.set('1', 'name', words(6, 'v'));
        const seen: string[] = [];
        const look = async ({ method }: { method: string }) => {
          if (!['upsert', 'deleteChunks'].includes(method)) return;
          const points = await items.points();
          const isNew = ({ vector }: { vector: Float32Array }) =>
            ['v0 v1 v2', 'v3 v4 v5'].some((text) =>
              fakeVector(text).every((value, index) => Math.abs(value - (vector[index] ?? 0)) < 1e-5),
            );
          seen.push(`${method}: ${points.length} points, ${points.filter(isNew).length} new`);
        };
        await items.run({}, { store: intercept(backend.store, { before: look }) });
        expect(seen).toEqual(['upsert: 5 points, 0 new', 'deleteChunks: 5 points, 2 new']);
        expect(await items.differences()).toEqual([]);
        expect(await items.state()).toEqual([expect.objectContaining({ key: '1', chunks: 2 })]);
      });

      test('that grows gets more, and nothing is deleted', async () => {
        const items = await chunkedItems([row(1, { name: words(6), body: '' })]);
        await items.run();
        await items.table.set('1', 'name', words(15));
        const { store, calls } = recordingStore();
        await items.run({}, { store });
        expect(calls).toEqual(['upsert']);
        expect(await items.differences()).toEqual([]);
      });

      test('whose payload changes gets it on every chunk', async () => {
        const items = await chunkedItems([row(1, { name: words(9), body: '' })]);
        await items.run();
        items.provider.calls.length = 0;
        await items.table.set('1', 'tag', 'other');
        await items.run();
        expect(items.provider.calls).toEqual([]);
        expect((await items.points()).map(({ payload }) => payload['tag'])).toEqual([
          'other',
          'other',
          'other',
        ]);
      });

      test('is embedded only in the chunks that are new', async () => {
        const items = await chunkedItems([row(1, { name: `${words(6)} ${words(6)}`, body: '' })]);
        const { counts } = await items.run();
        expect(items.provider.texts).toEqual(['w0 w1 w2', 'w3 w4 w5']);
        expect(counts).toMatchObject({ embedded: 1, stored: 1, tokens: 6 });
        expect(await items.differences()).toEqual([]);
      });

      test('is cut by what the model takes, where the config asks for nothing', async () => {
        const provider = new FakeProvider({ maxInputTokens: 4 });
        const items = await itemsOf(
          [row(1, { name: words(9), body: '' })],
          { collection: backend.testStore.name('limited') },
          provider,
        );
        await items.run();
        expect(Math.max(...provider.texts.map((text) => provider.tokenizer.count(text)))).toBe(4);
        expect(await items.points()).toHaveLength(3);
      });
    });

    describe('a row that cannot be done', () => {
      const refusal = { code: 'no_known_token', reason: 'No word of it is known.' };

      test('because a value does not fit the template is set aside with its reason, the others are stored', async () => {
        const items = await itemsOf(rows(3), {
          text: '{{ name }} {{ data }}',
          collection: backend.testStore.name('template'),
        });
        await items.table.set('2', 'data', '{"secret": 1}');
        const { counts, failures, error, events } = await items.run();
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ stored: 2, failed: 1, pending: 1 });
        expect(failures).toEqual([
          {
            tenant: items.tenant,
            entity: 'items',
            key: '2',
            code: 'template_value',
            message: expect.stringMatching(/prints an object/),
          },
        ]);
        expect(JSON.stringify([failures, events])).not.toContain('secret');
        expect((await items.points()).map(({ key }) => key)).toEqual(['1', '3']);
      });

      test('because a store could not hold its payload is set aside, the others are stored', async () => {
        const items = await itemsOf(rows(5), {
          payload: ['tag', 'data'],
          collection: backend.testStore.name('payload'),
        });
        await items.table.set('1', 'data', '{"a": {"b": ["x", "y\\u0000z"]}}');
        await items.table.set('2', 'data', '{"a\\u0000": 1}');
        await items.table.set('3', 'data', '"\\ud83d"');
        await items.table.set('4', 'data', '"\\ud83d\\ude00 and \\\\u0000"');
        const { counts, failures, error } = await items.run();
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ stored: 2, failed: 3 });
        expect(failures.map(({ key, code }) => [key, code])).toEqual(
          ['1', '2', '3'].map((key) => [key, 'payload_value']),
        );
        expect((await items.points())[0]?.payload['data']).toBe('😀 and \\u0000');
      });

      test('because the provider refuses its text is set aside, the others of the call are stored', async () => {
        const items = await itemsOf(rows(3));
        items.provider.refused.set('name 2\nbody of 2', refusal);
        const { counts, failures, error, events } = await items.run();
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ embedded: 2, stored: 2, failed: 1, pending: 1 });
        expect(failures).toEqual([
          expect.objectContaining({ key: '2', code: 'no_known_token', message: 'No word of it is known.' }),
        ]);
        expect(events).toContainEqual({
          type: 'row_failed',
          tenant: items.tenant,
          entity: 'items',
          key: '2',
          code: 'no_known_token',
          message: 'No word of it is known.',
        });
        expect(await items.differences()).toEqual(['2#0 is missing']);
      });

      test('rests: later runs report it and do not try it again, until it changes', async () => {
        const items = await itemsOf(rows(3));
        items.provider.refused.set('name 2\nbody of 2', refusal);
        await items.run();
        items.provider.calls.length = 0;
        const again = await items.run();
        expect(again).toMatchObject({ counts: { failed: 1, inserted: 0 }, failures: [{ key: '2' }] });
        expect(items.provider.calls).toEqual([]);
        await items.table.set('2', 'body', 'better');
        expect(await items.run()).toMatchObject({ counts: { failed: 0, stored: 1 }, failures: [] });
        expect(await items.differences()).toEqual([]);
      });

      test('is tried again when that is asked for', async () => {
        const items = await itemsOf(rows(3));
        items.provider.refused.set('name 2\nbody of 2', refusal);
        await items.run();
        items.provider.refused.clear();
        expect((await items.run()).counts).toMatchObject({ failed: 1 });
        expect((await items.run({ retryFailed: true })).counts).toMatchObject({ failed: 0, stored: 1 });
        expect(await items.differences()).toEqual([]);
      });

      test('keeps the point that it had, and is done when its text is the old one again', async () => {
        const items = await stored(rows(3));
        await items.table.set('2', 'body', 'bad');
        items.provider.refused.set('name 2\nbad', refusal);
        expect((await items.run()).counts).toMatchObject({ failed: 1 });
        expect(await items.differences()).toEqual(['2#0 has the vector of another text']);
        await items.table.put(row(2));
        expect(await items.run()).toMatchObject({ counts: { failed: 0, pending: 0 }, failures: [] });
        expect(await items.differences()).toEqual([]);
      });

      test('fails as a whole when one of its chunks does', async () => {
        const items = await chunkedItems([row(1, { name: words(6), body: '' }), row(2)]);
        items.provider.refused.set('w3 w4 w5', refusal);
        expect((await items.run()).counts).toMatchObject({ stored: 1, failed: 1 });
        expect(new Set((await items.points()).map(({ key }) => key))).toEqual(new Set(['2']));
      });

      test.each([
        ['not a number', Number.NaN, 'vector_not_finite'],
        ['infinite', Number.POSITIVE_INFINITY, 'vector_not_finite'],
        ['zero', 0, 'vector_zero'],
      ])('because its vector is %s is set aside alone', async (_name, value, code) => {
        const items = await itemsOf(rows(3));
        items.provider.spoil = (result, texts) => ({
          ...result,
          vectors: result.vectors.map((vector, index) =>
            texts[index]?.startsWith('name 2') ? new Float32Array(8).fill(value) : vector,
          ),
        });
        const { counts, failures, error } = await items.run();
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ stored: 2, failed: 1 });
        expect(failures).toEqual([expect.objectContaining({ key: '2', code })]);
        expect(await items.differences()).toEqual(['2#0 is missing']);
      });
    });

    describe('an answer that cannot be right', () => {
      test.each<[string, NonNullable<FakeProvider['spoil']>]>([
        ['too few vectors', (result) => ({ ...result, vectors: result.vectors.slice(1) })],
        ['too many vectors', (result) => ({ ...result, vectors: [...result.vectors, new Float32Array(8)] })],
        [
          'one vector of another width',
          (result) => ({ ...result, vectors: [...result.vectors.slice(1), fakeVector('a', 9)] }),
        ],
        [
          'all vectors of another width',
          (result) => ({ ...result, vectors: result.vectors.map(() => fakeVector('a', 4)) }),
        ],
      ])('stores nothing and gives the rows back: %s', async (_name, spoil) => {
        const items = await itemsOf(rows(12));
        items.provider.spoil = spoil;
        const { error, counts, warnings, failures } = await items.run({ batchSize: 5 });
        expect(error).toMatchObject({
          name: 'VecpipeError',
          family: 'unavailable',
          code: 'provider_contract',
        });
        expect(error).toMatchObject({
          message: expect.stringMatching(/^provider fake\/model \(fake\) answered/) as string,
        });
        expect(warnings).toEqual([]);
        expect({ counts, failures }).toMatchObject({
          counts: { stored: 0, pending: 12, failed: 0 },
          failures: [],
        });
        expect(await items.points()).toEqual([]);
        expect(await items.state()).toEqual([]);
        expect(await items.queue()).toEqual(
          Array.from({ length: 12 }, () =>
            expect.objectContaining({ attempts: 0, leased: false, unconfirmed: false }),
          ),
        );
        items.provider.spoil = undefined;
        expect(await items.run()).toMatchObject({ error: undefined, counts: { stored: 12 } });
        expect(await items.differences()).toEqual([]);
      });
    });

    describe('points that are gone behind our back', () => {
      async function removePoints(items: Items, ...keys: readonly string[]): Promise<void> {
        const { generation } = await items.target();
        const chunks = keys.map((key) => ({ tenant: items.tenant, entity: 'items', key, fromChunk: 0 }));
        await backend.store.deleteChunks(generation.physical, chunks);
      }

      test('are noticed by a run that has nothing to do, and written again by a refresh', async () => {
        const items = await stored(rows(5));
        await removePoints(items, '2', '4');
        const { error } = await items.run();
        expect(error).toMatchObject({
          family: 'drift',
          code: 'points_missing',
          message: expect.stringMatching(/holds 3 of the 5 points recorded for items of tenant/),
          hint: expect.stringContaining('--refresh'),
        });
        const refreshed = await items.run({ refresh: true });
        expect(refreshed).toMatchObject({ error: undefined, counts: { stored: 5, updated: 5 } });
        expect(await items.differences()).toEqual([]);
        expect((await items.run()).error).toBeUndefined();
      });

      test('are noticed although another row rests as failed', async () => {
        const items = await itemsOf(rows(5));
        items.provider.refused.set('name 5\nbody of 5', { code: 'bad', reason: 'bad' });
        await items.run();
        await removePoints(items, '2');
        expect((await items.run()).error).toMatchObject({ code: 'points_missing' });
      });

      test('are written again with their vector where the payload was to be changed', async () => {
        const items = await chunkedItems([row(1, { name: words(9), body: '' }), row(2), row(3)]);
        await items.run();
        items.provider.calls.length = 0;
        const { generation } = await items.target();
        await backend.store.deleteChunks(generation.physical, [
          { tenant: items.tenant, entity: 'items', key: '1', fromChunk: 2 },
        ]);
        await items.table.set('1', 'tag', 'other');
        await items.table.set('2', 'tag', 'other');
        const { counts, error } = await items.run();
        expect(error).toBeUndefined();
        expect(counts).toMatchObject({ payloadOnly: 1, embedded: 1, stored: 1 });
        expect(await items.differences()).toEqual([]);
      });

      test('that nobody accounts for are a warning', async () => {
        const items = await stored(rows(3));
        await backend.database.query(`delete from vecpipe.vector_state where tenant = $1 and key = '1'`, [
          items.tenant,
        ]);
        await items.table.remove('1');
        const { error, warnings } = await items.run();
        expect(error).toBeUndefined();
        expect(warnings).toEqual([
          expect.stringMatching(/holds 1 points of items .* that no row accounts for;/),
        ]);
      });
    });

    test('a refresh also brings down what has shrunk meanwhile', async () => {
      const items = await chunkedItems([
        row(1, { name: words(15), body: '' }),
        row(2, { name: words(9), body: '' }),
        row(3),
      ]);
      await items.run();
      await items.table.set('1', 'name', words(3));
      await items.table.set('2', 'name', '');
      expect(await items.run({ refresh: true })).toMatchObject({ error: undefined });
      expect(await items.differences()).toEqual([]);
    });

    test('rows whose key column has become another type are deleted, and nothing gets stuck', async () => {
      const items = await stored([row('a'), row('b')]);
      await items.table.set('a', 'name', 'changed');
      await items.run({ limit: 0 });
      const sql = `select ascii(id) as id, name, body, tag from ${items.table.sql}`;
      const renumbered = items.with({ relation: { kind: 'query', sql } });
      expect(await renumbered.run({ deleteAll: true })).toMatchObject({
        error: undefined,
        failures: [],
        counts: { inserted: 2, deleted: 2, stored: 2, pending: 0 },
      });
      expect((await items.points()).map(({ key }) => key)).toEqual(['97', '98']);
    });

    describe('a row that is gone from the source after it was queued', () => {
      /** Runs, and empties the source of some rows once they are queued. */
      function runWhileVanishing(
        items: Items,
        ids: readonly string[],
        changes: Parameters<Items['run']>[0] = {},
      ) {
        let isDone = false;
        const database = intercept(backend.database, {
          before: async ({ args: [sql] }) => {
            if (isDone || !String(sql).includes('skip locked')) return;
            isDone = true;
            await items.table.remove(...ids);
          },
        });
        return items.run(changes, { database });
      }

      async function changed(count: number): Promise<Items> {
        const items = await stored(rows(10));
        for (let id = 1; id <= count; id += 1) await items.table.set(String(id), 'body', 'other');
        return items;
      }

      test('is deleted in the same run, where that is not too much', async () => {
        const items = await changed(2);
        const { error, failures, counts } = await runWhileVanishing(items, ['1', '2']);
        expect({ error, failures }).toEqual({ error: undefined, failures: [] });
        expect(counts).toMatchObject({ deleted: 2, pending: 0 });
        expect(await items.differences()).toEqual([]);
      });

      test('keeps its point where the guard says so, which is told', async () => {
        const items = await changed(5);
        const gone = ['1', '2', '3', '4', '5'];
        const { failures, counts } = await runWhileVanishing(items, gone);
        expect(failures).toEqual([expect.objectContaining({ key: '*', code: 'delete_guard' })]);
        expect(counts).toMatchObject({ deleted: 0, pending: 0 });
        expect(await items.points()).toHaveLength(10);
        expect((await items.run({ deleteAll: true })).counts).toMatchObject({ deleted: 5 });
        expect(await items.differences()).toEqual([]);
      });

      test('is written anew when it comes back as it was', async () => {
        const items = await changed(5);
        await runWhileVanishing(items, ['1', '2', '3', '4', '5']);
        await items.table.put(...rows(5));
        expect(await items.run()).toMatchObject({ error: undefined, failures: [] });
        expect(await items.differences()).toEqual([]);
      });

      test('and that was never stored just leaves the queue', async () => {
        const items = await itemsOf(rows(3));
        const { error, failures } = await runWhileVanishing(items, ['1']);
        expect({ error, failures }).toEqual({ error: undefined, failures: [] });
        expect(await items.differences()).toEqual([]);
        expect(await items.queue()).toEqual([]);
      });
    });

    test('a row that failed is tried again for another collection', async () => {
      const items = await itemsOf(rows(3));
      items.provider.refused.set('name 2\nbody of 2', { code: 'bad', reason: 'bad' });
      await items.run();
      const moved = items.with({ collection: backend.testStore.name('second'), text: '{{ name }}' });
      expect(await moved.run()).toMatchObject({ error: undefined, failures: [], counts: { stored: 3 } });
    });

    test('a run of the queue only compares all the same where the collection is empty', async () => {
      const items = await itemsOf(rows(3), { collection: backend.testStore.name('unfilled') });
      expect((await items.run({ queuedOnly: true })).counts).toMatchObject({ inserted: 3, stored: 3 });
      await items.table.put(row('4'));
      expect((await items.run({ queuedOnly: true })).counts).toMatchObject({ inserted: 0, stored: 0 });
    });

    describe('several targets', () => {
      const failure = unavailableError('store_down', 'the store is down');

      async function two(): Promise<[Items, Items]> {
        const broken = await itemsOf(rows(12), { collection: backend.testStore.name(`{tenant}`) });
        return [broken, await itemsOf(rows(12))];
      }

      test('go on when the store fails for one of them half way, and the failure is what the run ends with', async () => {
        const [broken, fine] = await two();
        const targets = [await broken.target(), await fine.target()];
        let upserts = 0;
        const store = intercept(backend.store, {
          before: ({ method, args }) => {
            if (method !== 'upsert' || args[0] !== targets[0]?.generation.physical) return;
            upserts += 1;
            if (upserts > 1) throw failure;
          },
        });
        const { error, failures } = await runTargets({ ...backend, store }, targets, {
          batchSize: 4,
          batchesInFlight: 1,
        });
        expect(error).toBe(failure);
        expect(failures).toEqual([
          {
            tenant: broken.tenant,
            entity: 'items',
            key: '*',
            code: 'store_down',
            message: 'the store is down',
          },
        ]);
        expect(await fine.differences()).toEqual([]);
        expect(targets.map(({ counts }) => counts)).toMatchObject([
          { stored: 4, pending: 8, failed: 0 },
          { stored: 12, pending: 0 },
        ]);
        expect((await broken.queue()).filter(({ leased, attempts }) => leased || attempts > 0)).toEqual([]);
        expect(await broken.run()).toMatchObject({ error: undefined, counts: { stored: 8 } });
        expect(await broken.differences()).toEqual([]);
      });

      test('go on when the provider fails for one of them', async () => {
        const [broken, fine] = await two();
        broken.provider.before = () => {
          throw failure;
        };
        const { error } = await runTargets(backend, [await broken.target(), await fine.target()], {
          batchSize: 4,
        });
        expect(error).toBe(failure);
        expect(await fine.differences()).toEqual([]);
        expect(await broken.queue()).toHaveLength(12);
      });

      test('go on when the rows of one of them cannot be compared', async () => {
        const [broken, fine] = await two();
        const sql = `select 'same' as id, name, body, tag from ${broken.table.sql}`;
        const doubled = broken.with({ relation: { kind: 'query', sql } });
        const { error, failures } = await runTargets(backend, [await doubled.target(), await fine.target()]);
        expect(error).toMatchObject({ code: 'key_not_unique' });
        expect(failures).toEqual([
          expect.objectContaining({ tenant: broken.tenant, key: '*', code: 'key_not_unique' }),
        ]);
        expect(await fine.differences()).toEqual([]);
      });

      test('a bug is not hidden by a known failure that came before it', async () => {
        const [broken, fine] = await two();
        const bug = new TypeError('undefined is not a function');
        const second = new Gate();
        broken.provider.before = async () => {
          await second.waiting();
          throw failure;
        };
        fine.provider.before = async () => {
          second.open();
          await second.pass();
          throw bug;
        };
        const outcome = await runTargets(backend, [await broken.target(), await fine.target()], {
          batchSize: 20,
          batchesInFlight: 2,
        });
        expect(outcome.error).toBe(bug);
      });
    });

    describe('a plan', () => {
      async function contents(items: Items) {
        const tables = ['queue', 'vector_state', 'generations', 'runs'];
        const all = tables.map(
          async (table) =>
            (await backend.database.query(`select * from vecpipe.${table} t order by t::text`)).rows,
        );
        return { tables: await Promise.all(all), points: await items.points() };
      }

      async function planOf(items: Items, options: Partial<PlanOptions> = {}) {
        const { generation } = await items.target();
        const source = await openRowSource(backend.database, items.entity, items.tenant);
        const all = {
          queuedOnly: false,
          deleteAll: false,
          refresh: false,
          retryFailed: false,
          limit: null,
          ...options,
        };
        return planRows(backend.database, source, generation.id, items.provider, all);
      }

      /** Rows of every kind: new, changed in text, in payload, in nothing, emptied, bad, failed before, queued before. */
      async function mixed(): Promise<Items> {
        const items = await chunkedItems(
          Array.from({ length: 20 }, (_, index) => row(index, { name: words(7, `n${index}x`) })),
        );
        items.provider.refused.set('n19x0 n19x1 n19x2', { code: 'bad', reason: 'bad' });
        await items.run();
        await items.table.set('1', 'body', 'other text of it');
        await items.run({ limit: 0 });
        await items.table.put(
          row('new', { name: words(5, 'fresh') }),
          row('blank', { name: '', body: null }),
        );
        await items.table.set('2', 'body', 'another text');
        await items.table.set('3', 'tag', 'other');
        await items.table.set('4', 'name', '');
        await items.table.set('4', 'body', '');
        await items.table.set('5', 'name', `${words(7, 'n5x')} `);
        await items.table.remove('6', '7');
        return items;
      }

      test('counts what the next run does, calls no provider and writes nothing', async () => {
        const items = await mixed();
        items.provider.calls.length = 0;
        const before = await contents(items);
        const plan = await planOf(items);
        expect(items.provider.calls).toEqual([]);
        expect(await contents(items)).toEqual(before);
        const { counts } = await items.run();
        expect(plan).toEqual({
          rows: 20,
          recorded: 19,
          added: 3,
          changed: 5,
          unchanged: 12,
          vanished: 2,
          keyless: 0,
          guarded: false,
          queued: 0,
          copied: 0,
          embed: 4,
          payloadOnly: 1,
          empty: 2,
          fail: 0,
          tokens: counts.tokens,
          cost: 0,
          credits: 0,
          requests: 1,
        });
        expect(counts).toMatchObject({
          embedded: plan.embed,
          payloadOnly: plan.payloadOnly,
          empty: plan.empty,
          deleted: plan.vanished,
          stored: plan.embed,
          failed: 1,
        });
        expect(counts.tokens).toBeGreaterThan(0);
        expect(await planOf(items)).toMatchObject({
          embed: 0,
          payloadOnly: 0,
          empty: 0,
          fail: 0,
          tokens: 0,
          requests: 0,
        });
      });

      test('of the queue only leaves the source alone', async () => {
        const items = await mixed();
        expect(await planOf(items, { queuedOnly: true })).toMatchObject({
          added: 0,
          changed: 0,
          vanished: 0,
          queued: 1,
          embed: 1,
        });
        expect((await items.run({ queuedOnly: true })).counts).toMatchObject({ embedded: 1 });
      });

      test('of a few rows counts no more of them', async () => {
        const items = await itemsOf(rows(30));
        expect(await planOf(items, { limit: 7 })).toMatchObject({ added: 30, embed: 7, tokens: 35 });
        expect((await items.run({ limit: 7 })).counts).toMatchObject({
          inserted: 30,
          embedded: 7,
          tokens: 35,
          pending: 23,
        });
      });

      test('of a refresh counts every row, and what vanished', async () => {
        const items = await stored(rows(10));
        await items.table.remove('1');
        await items.table.set('2', 'name', '');
        await items.table.set('2', 'body', '');
        const plan = await planOf(items, { refresh: true });
        const { counts } = await items.run({ refresh: true });
        expect(plan).toMatchObject({ embed: 8, empty: 1, vanished: 1, tokens: counts.tokens });
        expect(counts).toMatchObject({ embedded: 8, empty: 1, deleted: 1 });
        expect(await items.differences()).toEqual([]);
      });

      test('of another try for failed rows counts them', async () => {
        const items = await itemsOf(rows(3));
        items.provider.refused.set('name 2\nbody of 2', { code: 'bad', reason: 'bad' });
        await items.run();
        items.provider.refused.clear();
        expect(await planOf(items)).toMatchObject({ embed: 0 });
        expect(await planOf(items, { retryFailed: true })).toMatchObject({ embed: 1 });
        expect((await items.run({ retryFailed: true })).counts).toMatchObject({ embedded: 1 });
      });

      test('counts rows that failed in another collection', async () => {
        const items = await itemsOf(rows(3));
        items.provider.refused.set('name 2\nbody of 2', { code: 'bad', reason: 'bad' });
        await items.run();
        const moved = items.with({ collection: backend.testStore.name('moved') });
        items.provider.refused.clear();
        expect(await planOf(moved)).toMatchObject({ added: 3, embed: 3 });
        expect((await moved.run()).counts).toMatchObject({ inserted: 3, embedded: 3, failed: 0 });
        expect(await moved.differences()).toEqual([]);
      });

      test('counts rows that a worker left in doubt as to be embedded', async () => {
        const items = await stored(rows(3));
        await items.table.set('1', 'tag', 'other');
        await items.run({ limit: 0 });
        await backend.database.query('update vecpipe.queue set unconfirmed = true where tenant = $1', [
          items.tenant,
        ]);
        expect(await planOf(items)).toMatchObject({ embed: 1, payloadOnly: 0 });
        expect((await items.run()).counts).toMatchObject({ embedded: 1, payloadOnly: 0 });
      });

      test('before the first run counts every row', async () => {
        const items = await itemsOf(rows(3));
        const source = await openRowSource(backend.database, items.entity, items.tenant);
        const options = {
          queuedOnly: false,
          deleteAll: false,
          refresh: false,
          retryFailed: false,
          limit: null,
        };
        expect(await planRows(backend.database, source, null, items.provider, options)).toMatchObject({
          added: 3,
          embed: 3,
        });
        expect(await items.queue()).toEqual([]);
      });
    });
  });
}
