import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DatabaseError, type Database, type Queryable } from '../../src/ports/database.ts';
import type { VectorStore } from '../../src/ports/vector-store.ts';
import { openPgvectorStore } from '../../src/stores/pgvector/pgvector-store.ts';
import { availablePgvectorDatabases, type PgvectorDatabase } from '../helpers/stores.ts';
import { makePoint, nearestByHand, randomVector, seededRandom } from './vector-store-points.ts';

/** So few that building an index takes a second in the embedded database. */
const INDEX_FROM_ROWS = 2000;

describe.each(availablePgvectorDatabases())('pgvector on $name', ({ create }) => {
  let home: PgvectorDatabase;
  let database: Database;
  let store: VectorStore;

  beforeAll(async () => {
    home = await create();
    ({ database } = home);
    store = await openPgvectorStore(database, { indexFromRows: INDEX_FROM_ROWS });
  });
  afterAll(async () => {
    await home?.[Symbol.asyncDispose]();
  });

  async function indexDefinition(collection: string): Promise<string | null> {
    const { rows } = await database.query<{ indexdef: string }>(
      `select indexdef from pg_indexes where schemaname = 'vecpipe' and indexname = 'points_' ||
         (select id from vecpipe.pgvector_collections where name = $1) || '_embedding'`,
      [collection],
    );
    return rows[0]?.indexdef ?? null;
  }

  describe('the index', () => {
    const random = seededRandom(5);
    // One tenant in fifty: an index that stops after its first candidates would not find enough of its points.
    const points = Array.from({ length: 3000 }, (_, index) => ({
      ...makePoint(index, { group: index % 3 }, { tenant: index % 50 === 0 ? 'rare' : 'common' }),
      vector: randomVector(random, 8),
    }));

    beforeAll(async () => {
      await store.createCollection('indexed', 8);
      await store.upsert('indexed', points.slice(0, INDEX_FROM_ROWS - 1));
      await store.finishLoad('indexed');
    });

    test('is not built for a collection that an exact search is fast enough for', async () => {
      expect(await indexDefinition('indexed')).toBeNull();
    });

    test('is built once, by however many ask for it, and used by the search', async () => {
      await store.upsert('indexed', points.slice(INDEX_FROM_ROWS - 1));
      await Promise.all([store.finishLoad('indexed'), store.finishLoad('indexed')]);
      expect(await indexDefinition('indexed')).toContain('hnsw (embedding ');
      await store.finishLoad('indexed');
      const query = randomVector(random, 8);
      const used = await indexScans(database, () => store.search('indexed', query, { limit: 10 }));
      expect(used).toBe(1);
    });

    test('finds nearly all of the nearest', async () => {
      let hits = 0;
      for (let round = 0; round < 20; round++) {
        const query = randomVector(random, 8);
        const expected = nearestByHand(points, query).slice(0, 10);
        const nearest = new Set(expected.map(({ id }) => id));
        const found = await store.search('indexed', query, { limit: 10 });
        expect(found).toHaveLength(10);
        hits += found.filter(({ id }) => nearest.has(id)).length;
      }
      expect(hits).toBeGreaterThanOrEqual(190);
    });

    test.each([5, 60, 500])('gives as many as there are of a rare tenant, asked for %i', async (limit) => {
      const filter = { must: [{ field: 'vecpipe.tenant', anyOf: ['rare'] }] };
      for (let round = 0; round < 5; round++) {
        const query = randomVector(random, 8);
        const expected = nearestByHand(points, query, filter).slice(0, limit);
        const found = await store.search('indexed', query, { limit, filter });
        expect(found).toHaveLength(Math.min(limit, 60));
        const ids = new Set(found.map(({ id }) => id));
        const hits = expected.filter(({ id }) => ids.has(id)).length;
        expect(hits).toBeGreaterThanOrEqual(expected.length * 0.9);
      }
    });

    test('follows what is written after it was built', async () => {
      const query = randomVector(random, 8);
      const { id } = makePoint(99_999);
      await store.upsert('indexed', [{ ...makePoint(99_999), vector: query }]);
      expect((await store.search('indexed', query, { limit: 1 }))[0]?.id).toBe(id);
      await store.deleteChunks('indexed', [{ tenant: '1', entity: 'projects', key: '99999', fromChunk: 0 }]);
      expect((await store.search('indexed', query, { limit: 1 }))[0]?.id).not.toBe(id);
    });

    test('leaves the settings of the session as they were', async () => {
      await store.search('indexed', randomVector(random, 8), { limit: 700 });
      const settings = await database.query(
        `select current_setting('hnsw.ef_search') as ef, current_setting('hnsw.iterative_scan') as scan,
                current_setting('enable_indexscan') as index`,
      );
      expect(settings.rows).toEqual([{ ef: '40', scan: 'off', index: 'on' }]);
    });
  });

  describe('widths', () => {
    const real = { must: [{ field: 'vecpipe.entity', anyOf: ['projects'] }] };

    test.each([
      [2000, 'hnsw (embedding '],
      [3072, '(embedding)::'],
      [4096, null],
    ])('of %i are searched, through an index where pgvector has one', async (dimensions, definition) => {
      const collection = `wide_${dimensions}`;
      await store.createCollection(collection, dimensions);
      const random = seededRandom(dimensions);
      const points = Array.from({ length: 30 }, (_, index) => ({
        ...makePoint(index),
        vector: randomVector(random, dimensions),
      }));
      await store.upsert(collection, points);
      await fillUp(collection);
      await store.finishLoad(collection);
      if (definition === null) expect(await indexDefinition(collection)).toBeNull();
      else expect(await indexDefinition(collection)).toContain(definition);
      const query = randomVector(random, dimensions);
      const found = await store.search(collection, query, { limit: 5, filter: real });
      const expected = nearestByHand(points, query).slice(0, 5);
      expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      for (const [index, { score }] of found.entries()) expect(score).toBeCloseTo(expected[index]!.score, 5);
    });

    test('of more than pgvector holds are a usage error', async () => {
      await expect(store.createCollection('too_wide', 16_001)).rejects.toMatchObject({
        family: 'usage',
        code: 'collection_width',
      });
      expect(await store.describeCollection('too_wide')).toBeNull();
    });

    /** Enough rows for an index, all without a direction, which are quick to index. */
    async function fillUp(collection: string): Promise<void> {
      const { rows } = await database.query<{ id: number; dimensions: number }>(
        'select id, dimensions from vecpipe.pgvector_collections where name = $1',
        [collection],
      );
      const { id, dimensions } = rows[0]!;
      await database.query(
        `insert into vecpipe.points_${id} (id, tenant, entity, key, chunk, payload, embedding)
         select gen_random_uuid(), '1', 'filler', n::text, 0, '{}', array_fill(0::real, array[${dimensions}])::vector
         from generate_series(1, ${INDEX_FROM_ROWS}) n`,
      );
    }
  });

  test('disposing the store leaves the database open', async () => {
    const other = await openPgvectorStore(database);
    await other[Symbol.asyncDispose]();
    expect((await database.query<{ one: number }>('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('the extension may live in a schema that is not on the search path', async () => {
    await using another = await create();
    const other = await openPgvectorStore(another.database, { indexFromRows: INDEX_FROM_ROWS });
    await another.database.execute('create schema "Ext ""1"""; create extension vector schema "Ext ""1"""');
    await other.createCollection('points', 4);
    await other.upsert(
      'points',
      Array.from({ length: INDEX_FROM_ROWS }, (_, index) => makePoint(index)),
    );
    await other.finishLoad('points');
    expect(await other.search('points', Float32Array.of(1, 0, 0, 0), { limit: 2 })).toHaveLength(2);
    const indexes = await another.database.query<{ indexdef: string }>(
      `select indexdef from pg_indexes where indexname = 'points_1_embedding'`,
    );
    expect(indexes.rows[0]?.indexdef).toContain('"Ext ""1""".vector_cosine_ops');
  });
});

/** How often an action searches through an index of vectors. */
async function indexScans(database: Database, action: () => Promise<unknown>): Promise<number> {
  const countScans = async () => {
    // Sessions report what they did with a delay; another session of the pool may have done the search.
    await database.query('select pg_stat_force_next_flush()');
    const { rows } = await database.query<{ scans: number }>(
      `select coalesce(sum(idx_scan), 0)::integer as scans from pg_stat_user_indexes
       where indexrelname like '%\\_embedding'`,
    );
    return rows[0]?.scans ?? 0;
  };
  const before = await countScans();
  await action();
  return (await countScans()) - before;
}

describe('without pgvector', () => {
  /** A database with the given versions of pgvector on offer, which refuses to install any. */
  function databaseWith(versions: string[], refusal: DatabaseError): Database {
    const none = { rows: [], columns: [], changed: 0 };
    const tx: Queryable = {
      query: () => Promise.resolve(none),
      execute: () => Promise.reject(refusal),
    };
    return {
      kind: 'postgres',
      location: 'db.example:5432/app',
      exclusive: false,
      query: <Row>(sql: string) =>
        Promise.resolve({
          ...none,
          rows: sql.includes('pg_available_extensions')
            ? versions.map((version) => ({ version }) as Row)
            : [],
        }),
      execute: tx.execute,
      transaction: (work) => work(tx),
      listen: () => Promise.reject(refusal),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  test('opening says so before anything has been done', async () => {
    await expect(openPgvectorStore(databaseWith([], new DatabaseError('', '')))).rejects.toMatchObject({
      family: 'usage',
      code: 'pgvector_missing',
      message: 'the Postgres server of db.example:5432/app does not have the pgvector extension',
      hint: expect.stringContaining('QDRANT_URL'),
    });
  });

  test('an old installed version is told from a newer one on offer', async () => {
    const database = databaseWith(['0.4.4', '0.8.1'], new DatabaseError('', ''));
    await expect(openPgvectorStore(database)).rejects.toMatchObject({
      family: 'usage',
      code: 'pgvector_too_old',
      hint: expect.stringContaining('alter extension'),
    });
  });

  test.each([
    ['0A000', 'pgvector_missing'],
    ['58P01', 'pgvector_missing'],
    ['42501', 'pgvector_forbidden'],
  ])('a refusal with %s becomes %s', async (sqlState, code) => {
    const store = await openPgvectorStore(databaseWith(['0.8.1'], new DatabaseError('refused', sqlState)));
    await expect(store.createCollection('points', 4)).rejects.toMatchObject({
      family: 'usage',
      code,
      hint: expect.stringContaining('QDRANT_URL'),
    });
  });
});

test('the embedded database gets no index by itself, however large the collection', async () => {
  const [pglite] = availablePgvectorDatabases();
  await using home = await pglite!.create();
  const store = await openPgvectorStore(home.database);
  await store.createCollection('points', 4);
  await home.database.execute(`
    insert into vecpipe.points_1 (id, tenant, entity, key, chunk, payload, embedding)
    select gen_random_uuid(), '1', 'projects', n::text, 0, '{}', array[1, n, 0, 0]::vector
    from generate_series(1, 10001) n`);
  await store.finishLoad('points');
  const indexes = await home.database.query(`select from pg_indexes where indexname = 'points_1_embedding'`);
  expect(indexes.rows).toHaveLength(0);
});
