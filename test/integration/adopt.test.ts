import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adoptCollection } from '../../src/adopt/adopt-collection.ts';
import { resolveAdopted } from '../../src/adopt/adopted-generation.ts';
import type { Adoption } from '../../src/adopt/adoption.ts';
import { parseKeyField } from '../../src/adopt/key-field.ts';
import { collectionName } from '../../src/entities/entity.ts';
import type { Entity } from '../../src/entities/entity.ts';
import { fingerprintSettings } from '../../src/pipeline/fingerprint.ts';
import type { StoredPoint } from '../../src/ports/vector-store.ts';
import { recordRunEnd, recordRunStart } from '../../src/runs/record-run.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { openMigrated } from '../helpers/backends.ts';
import type { MigratedDatabase } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import { fakeVector } from '../helpers/fake-provider.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items, itemText } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';
import { availableStores } from '../helpers/stores.ts';
import type { TestStore } from '../helpers/stores.ts';

/** So near to the right one that it agrees, and not the same. */
function turned(text: string): number[] {
  return [...fakeVector(text)].map((value, index) => (index === 0 ? value + 0.05 : value));
}

const qdrant = availableStores().find(({ kind }) => kind === 'qdrant');

describe.skipIf(qdrant === undefined).each(availableDatabases())('adoption over $name', (variant) => {
  let migrated: MigratedDatabase;
  let testStore: TestStore;

  beforeAll(async () => {
    if (!qdrant) return;
    migrated = await openMigrated(variant);
    testStore = await qdrant.create();
  });
  afterAll(async () => {
    await testStore?.[Symbol.asyncDispose]();
    await migrated?.[Symbol.asyncDispose]();
  });

  const itemRows = (count: number): ItemRow[] =>
    Array.from({ length: count }, (_, index) => ({
      id: String(index + 1),
      name: `name ${index}`,
      body: 'b',
      tag: `t${index}`,
    }));

  interface ForeignPoint {
    id: number | string;
    payload?: object;
    vector: number[];
  }

  const pointOf = (row: ItemRow, id: number | string, key: unknown = row.id): ForeignPoint => ({
    id,
    payload: { title: row.name, meta: { row: key } },
    vector: [...fakeVector(itemText(row))],
  });

  /** What another tool has left in Qdrant. */
  async function foreign(
    ending: string,
    points: readonly ForeignPoint[],
    settings: object = { vectors: { size: 8, distance: 'Cosine' } },
  ): Promise<string> {
    const collection = testStore.name(ending);
    await qdrantPut(`/collections/${collection}`, settings);
    if (points.length > 0) await qdrantPut(`/collections/${collection}/points?wait=true`, { points });
    return collection;
  }

  async function qdrantPut(path: string, body: object): Promise<void> {
    const { config } = testStore;
    if (config.kind !== 'qdrant') throw new Error('the store is not Qdrant');
    const answer = await fetch(new URL(path, config.url), {
      method: 'PUT',
      headers: {
        'content-type': 'application/json',
        ...(config.apiKey !== null && { 'api-key': config.apiKey }),
      },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  const itemsOf = (rows: readonly ItemRow[], ending: string, entity: Partial<Entity> = {}) =>
    Items.create({ database: migrated.database, store: testStore.store }, rows, {
      ...entity,
      collection: testStore.name(ending),
    });

  async function adoptionOf(items: Items, name: string, changes: Partial<Adoption> = {}): Promise<Adoption> {
    const { database } = migrated;
    const { store } = testStore;
    const { entity, tenant, provider } = items;
    const place = { database, store, collection: collectionName(entity, tenant), options: {} };
    return {
      ...place,
      source: await openRowSource(database, entity, tenant),
      provider,
      settings: fingerprintSettings(entity, provider),
      adopted: await resolveAdopted(place, name),
      keyField: parseKeyField('meta.row'),
      sampleSize: 50,
      minSimilarity: 0.99,
      replaces: false,
      runId: randomUUID(),
      report: () => {},
      ...changes,
    };
  }

  const adopt = async (items: Items, name: string, changes: Partial<Adoption> = {}) =>
    adoptCollection(await adoptionOf(items, name, changes), { dryRun: false });

  const contentsOf = (collection: string): Promise<StoredPoint[]> =>
    testStore.store.scroll(collection, { limit: 1000, withVectors: true });

  async function expectNothingMade(items: Items): Promise<void> {
    const collection = collectionName(items.entity, items.tenant);
    expect(await testStore.store.describeCollection(`${collection}__1`)).toBeNull();
    expect(await testStore.store.resolveAlias(collection)).toBeNull();
    expect(await generationOf(items)).toBeUndefined();
  }

  async function generationOf(items: Items) {
    const { rows } = await migrated.database.query<{ status: string; loadSettings: unknown }>(
      `select status, load_settings as "loadSettings" from vecpipe.generations where collection = $1`,
      [collectionName(items.entity, items.tenant)],
    );
    return rows[0];
  }

  /** Whether the generation is live or not. */
  async function recordedOf({ tenant }: Items): Promise<number> {
    const { rows } = await migrated.database.query<{ count: number }>(
      'select count(*) as count from vecpipe.vector_state where tenant = $1',
      [tenant],
    );
    return rows[0]?.count ?? 0;
  }

  test.each<[string, (index: number) => number | string, (id: string) => unknown]>([
    ['numbers, keys as numbers', (index) => 1000 - index, Number],
    ['UUIDs, keys as text', () => randomUUID(), String],
  ])('ids that are %s: copied, and vectorize buys only the rest', async (_name, idOf, keyOf) => {
    const rows = itemRows(620);
    const items = await itemsOf(rows, `ids ${randomUUID()}`);
    const known = rows.slice(0, 600);
    const points = [
      ...known.map((row, index) => pointOf(row, idOf(index), keyOf(row.id))),
      { id: randomUUID(), payload: { meta: { row: 'no such row' } }, vector: [...fakeVector('x')] },
      { id: randomUUID(), vector: [...fakeVector('y')] },
      { id: randomUUID(), payload: { meta: { row: [1] } }, vector: [...fakeVector('z')] },
    ];
    const adopted = await foreign(`foreign ${randomUUID()}`.replaceAll(' ', '_'), points);
    const before = await contentsOf(adopted);

    const result = await adopt(items, adopted);
    expect(result).toMatchObject({
      sample: { compared: 50, agreed: 50 },
      counts: { points: 603, copied: 600, withoutRow: 3, duplicates: 0, unfit: 0, disagreeing: 0 },
      rowsLeft: 20,
    });
    expect(items.provider.texts).toHaveLength(50);
    expect(await contentsOf(adopted)).toEqual(before);
    const missing = rows.slice(600).map(({ id }) => `${id}#0 is missing`);
    expect((await items.differences()).toSorted()).toEqual(missing.toSorted());
    expect(await generationOf(items)).toEqual({ status: 'live', loadSettings: null });

    items.provider.calls.length = 0;
    const outcome = await items.run();
    expect(outcome.error).toBeUndefined();
    expect(outcome.warnings).toEqual([]);
    expect(outcome.counts).toMatchObject({ inserted: 20, updated: 0, embedded: 20, unchanged: 600 });
    expect(items.provider.texts.toSorted()).toEqual(rows.slice(600).map(itemText).toSorted());
    expect(await items.differences()).toEqual([]);
  });

  test('of several points of a row the first is taken, and what does not fit is left', async () => {
    const rows: ItemRow[] = [
      ...itemRows(30),
      { id: 'empty', name: '', body: '' },
      { id: 'long', name: 'one two three four', body: 'five six' },
    ];
    const items = await itemsOf(rows, 'unfit', { chunk: { maxTokens: 4, overlap: 0 } });
    const points = [
      ...rows.map((row, index) => pointOf(row, index + 100)),
      ...itemRows(3).map((row, index) => ({ ...pointOf(row, index + 500), vector: turned(itemText(row)) })),
    ];
    const adopted = await foreign('unfit_foreign', points);
    const { counts, rowsLeft } = await adopt(items, adopted, { sampleSize: 40 });
    expect(counts).toMatchObject({ points: 35, copied: 30, duplicates: 3, unfit: 2, withoutRow: 0 });
    expect(rowsLeft).toBe(2);
    const missing = ['long#0 is missing', 'long#1 is missing'];
    expect((await items.differences()).toSorted()).toEqual(missing);
    expect((await items.run()).counts).toMatchObject({ embedded: 1, empty: 1 });
    expect((await items.state()).find(({ key }) => key === 'long')?.chunks).toBe(2);
  });

  test('rows of the sample whose vector is of another text are embedded by vectorize', async () => {
    const rows = itemRows(60);
    const items = await itemsOf(rows, 'disagree');
    const wrong = new Set(['7', '31']);
    const adopted = await foreign(
      'disagree_foreign',
      rows.map((row, index) =>
        wrong.has(row.id)
          ? { ...pointOf(row, index), vector: [...fakeVector('old text')] }
          : pointOf(row, index),
      ),
    );
    const result = await adopt(items, adopted, { sampleSize: 60 });
    expect(result).toMatchObject({
      sample: { compared: 60, agreed: 58 },
      counts: { copied: 58, disagreeing: 2 },
      rowsLeft: 2,
    });
    items.provider.calls.length = 0;
    await items.run();
    expect(items.provider.texts).toHaveLength(2);
    expect(await items.differences()).toEqual([]);
  });

  test('a collection of another model is refused, and says how many agreed', async () => {
    const rows = itemRows(60);
    const items = await itemsOf(rows, 'model');
    const adopted = await foreign(
      'model_foreign',
      rows.map((row, index) => ({ ...pointOf(row, index), vector: [...fakeVector(`model two ${row.id}`)] })),
    );
    await expect(adopt(items, adopted)).rejects.toMatchObject({
      family: 'usage',
      code: 'adoption_disagrees',
      message: expect.stringMatching(/^only 0 of 50 sampled rows/) as string,
    });
    await expectNothingMade(items);
  });

  test.each<[string, object, string, string]>([
    ['width', { vectors: { size: 4, distance: 'Cosine' } }, 'adoption_unfit', '4 dimensions, and'],
    ['distance', { vectors: { size: 8, distance: 'Dot' } }, 'adoption_unfit', 'by cosine'],
    ['shape', { vectors: { text: { size: 8, distance: 'Cosine' } } }, 'adoption_unfit', 'named vectors'],
  ])('a collection of another %s is refused', async (name, settings, code, message) => {
    const items = await itemsOf(itemRows(2), `refused ${name}`);
    const adopted = await foreign(`refused_${name}`, [], settings);
    await expect(adopt(items, adopted)).rejects.toMatchObject({
      family: 'usage',
      code,
      message: expect.stringContaining(message) as string,
      hint: expect.any(String) as string,
    });
    await expectNothingMade(items);
    expect(items.provider.texts).toEqual([]);
  });

  test('a collection that is not there, or a field that names no row, is refused', async () => {
    const rows = itemRows(3);
    const items = await itemsOf(rows, 'keyless');
    await expect(adopt(items, testStore.name('nowhere'))).rejects.toMatchObject({
      code: 'collection_missing',
    });
    const adopted = await foreign(
      'keyless_foreign',
      rows.map((row, index) => pointOf(row, index)),
    );
    for (const field of ['row', 'meta', 'title.row']) {
      await expect(adopt(items, adopted, { keyField: parseKeyField(field) })).rejects.toMatchObject({
        code: 'adoption_key_field',
        message: expect.stringContaining('none of the first 3 points') as string,
      });
    }
    await expect(adopt(items, adopted, { keyField: parseKeyField('title') })).rejects.toMatchObject({
      code: 'adoption_key_field',
      message: expect.stringContaining('no sampled point') as string,
    });
    expect(() => parseKeyField('a..b')).toThrow('--key-field');
    await expectNothingMade(items);
  });

  test('a dry run counts and writes nothing', async () => {
    const rows = itemRows(40);
    const items = await itemsOf(rows, 'dry');
    const adopted = await foreign(
      'dry_foreign',
      rows.slice(0, 30).map((row, index) => pointOf(row, index)),
    );
    const result = await adoptCollection(await adoptionOf(items, adopted), { dryRun: true });
    expect(result).toMatchObject({
      sample: { compared: 30, agreed: 30 },
      counts: { points: 30, copied: 30, duplicates: null },
      rowsLeft: 10,
    });
    await expectNothingMade(items);
  });

  test('interrupted after a page it is completed by the same call, and copies no point twice', async () => {
    const rows = itemRows(1300);
    const items = await itemsOf(rows, 'resumed');
    const adopted = await foreign('resumed_foreign', [
      ...rows.map((row, index) => pointOf(row, index)),
      pointOf(rows[4]!, 5000),
    ]);
    const controller = new AbortController();
    let upserts = 0;
    const interrupted = intercept(testStore.store, {
      before: ({ method }) => {
        if (method === 'upsert' && (upserts += 1) === 2) controller.abort(new Error('asked to stop'));
      },
    });
    const changes = { store: interrupted, options: { signal: controller.signal } };
    await expect(adopt(items, adopted, changes)).rejects.toThrow('asked to stop');
    expect(await recordedOf(items)).toBe(500);
    expect(await generationOf(items)).toMatchObject({ status: 'building', loadSettings: expect.any(Object) });
    // One that is refused leaves the other as it is.
    const other = await foreign('resumed_other', []);
    await expect(adopt(items, other)).rejects.toMatchObject({ code: 'adoption_key_field' });
    expect(await recordedOf(items)).toBe(500);

    const written: string[] = [];
    const store = intercept(testStore.store, {
      before: ({ method, args }) => {
        if (method === 'upsert') written.push(...(args[1] as { id: string }[]).map(({ id }) => id));
      },
    });
    const { counts, rowsLeft } = await adopt(items, adopted, { store });
    expect(counts).toMatchObject({ points: 1301, copied: 1300, duplicates: 1 });
    expect(rowsLeft).toBe(0);
    expect(new Set(written).size).toBe(800);
    expect(written).toHaveLength(800);
    expect(await items.differences()).toEqual([]);
    const settings = await testStore.store.readLoadSettings(
      `${collectionName(items.entity, items.tenant)}__1`,
    );
    expect(settings).toEqual(await testStore.store.readLoadSettings(adopted));
    expect((await items.run()).counts).toMatchObject({ embedded: 0, unchanged: 1300 });
    await expect(adopt(items, adopted)).rejects.toMatchObject({ code: 'adoption_built' });
  });

  test('begun with another collection, it is begun anew', async () => {
    const rows = itemRows(20);
    const items = await itemsOf(rows, 'anew');
    const points = rows.map((row, index) => pointOf(row, index));
    const one = await foreign('anew_one', points);
    const two = await foreign('anew_two', points.slice(0, 15));
    const killed = intercept(testStore.store, {
      before: ({ method }) => {
        if (method === 'endLoad') throw new Error('killed');
      },
    });
    await expect(adopt(items, one, { store: killed })).rejects.toThrow('killed');
    const { counts, rowsLeft } = await adopt(items, two);
    expect(counts).toMatchObject({ points: 15, copied: 15, duplicates: 0 });
    expect(rowsLeft).toBe(5);
    expect(await items.differences()).toHaveLength(5);
    expect((await items.run()).counts).toMatchObject({ embedded: 5, unchanged: 15 });
    expect(await items.differences()).toEqual([]);
    expect(await testStore.store.count(one)).toBe(20);
  });

  test('while a run is at it, another is refused', async () => {
    // In a database that one process has to itself, another run is always a dead one.
    if (migrated.database.exclusive) return;
    const rows = itemRows(5);
    const items = await itemsOf(rows, 'running');
    const adopted = await foreign(
      'running_foreign',
      rows.map((row, index) => pointOf(row, index)),
    );
    const runId = randomUUID();
    const run = { id: runId, command: 'adopt', tenants: [items.tenant], entities: ['items'] };
    await recordRunStart(migrated.database, run);
    let others = 0;
    const store = intercept(testStore.store, {
      before: async ({ method }) => {
        if (method !== 'upsert') return;
        others += 1;
        await expect(adopt(items, adopted)).rejects.toMatchObject({
          family: 'unavailable',
          code: 'adoption_running',
        });
      },
    });
    await adopt(items, adopted, { runId, store });
    expect(others).toBe(1);
    expect(await items.differences()).toEqual([]);
    await recordRunEnd(migrated.database, runId, { exitCode: 0, counts: {}, error: null });
  });

  test.each(['setAlias', 'finishLoad', 'endLoad', 'createCollection', 'beginLoad', 'deleteCollection'])(
    'killed behind %s, a replacement is completed by the same call',
    async (method) => {
      const rows = itemRows(20);
      const items = await itemsOf(rows, `killed_${method}`);
      const alias = collectionName(items.entity, items.tenant);
      const adopted = await foreign(
        alias.slice(testStore.name('').length),
        rows.map((row, index) => pointOf(row, index)),
      );
      expect(adopted).toBe(alias);
      const killed = intercept(testStore.store, {
        after: (call) => {
          if (call.method === method) throw new Error('killed');
        },
      });
      await expect(adopt(items, alias, { store: killed, replaces: true })).rejects.toThrow('killed');
      await adopt(items, alias, { replaces: true });
      expect(await testStore.store.resolveAlias(alias)).toBe(`${alias}__1`);
      expect(await items.differences()).toEqual([]);
      expect(await generationOf(items)).toEqual({ status: 'live', loadSettings: null });
      expect((await items.run()).counts).toMatchObject({ embedded: 0, unchanged: 20 });
    },
  );

  test('a collection of the name of the alias is replaced only when asked for', async () => {
    const rows = itemRows(5);
    const items = await itemsOf(rows, 'taken');
    const alias = collectionName(items.entity, items.tenant);
    await foreign(
      alias.slice(testStore.name('').length),
      rows.map((row, index) => pointOf(row, index)),
    );
    await expect(adopt(items, alias)).rejects.toMatchObject({
      code: 'adoption_name',
      hint: expect.stringMatching(/another `collection:`.*--replace/) as string,
    });
    expect(await testStore.store.count(alias)).toBe(5);
    const elsewhere = await foreign('elsewhere', [pointOf(rows[0]!, 1)]);
    await expect(adopt(items, elsewhere, { replaces: true })).rejects.toMatchObject({
      code: 'adoption_name',
    });
    expect(await testStore.store.count(elsewhere)).toBe(1);
  });

  test('an alias that leads to the collection is moved, one that leads elsewhere is refused', async () => {
    const rows = itemRows(5);
    const items = await itemsOf(rows, 'moved');
    const alias = collectionName(items.entity, items.tenant);
    const adopted = await foreign(
      'moved_foreign',
      rows.map((row, index) => pointOf(row, index)),
    );
    const other = await foreign('moved_other', [pointOf(rows[0]!, 1)]);
    await testStore.store.setAlias(alias, other);
    await expect(adopt(items, adopted)).rejects.toMatchObject({ code: 'adoption_built' });
    await testStore.store.setAlias(alias, adopted);
    await adopt(items, alias);
    expect(await testStore.store.resolveAlias(alias)).toBe(`${alias}__1`);
    expect(await testStore.store.count(adopted)).toBe(5);
  });
});
