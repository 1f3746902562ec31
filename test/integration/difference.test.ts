import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Entity } from '../../src/entities/entity.ts';
import type { Database } from '../../src/ports/database.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import { planDifference, queueDifference } from '../../src/sources/rows/difference.ts';
import type { QueuedDifference } from '../../src/sources/rows/difference.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import type { RowSource } from '../../src/sources/rows/row-source.ts';
import { useMigrated } from '../helpers/backends.ts';
import type { MigratedDatabase } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import {
  createGeneration,
  ItemTable,
  queueOf,
  settleQueue,
  stateOf,
  tableEntity,
  uniqueName,
} from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

const NOTHING = {
  added: 0,
  changed: 0,
  vanished: 0,
  keyless: 0,
  guarded: false,
  queuedAdded: 0,
  queuedChanged: 0,
  queuedDeleted: 0,
};

const items = (...ids: readonly (string | number)[]): ItemRow[] =>
  ids.map((id) => ({ id: String(id), name: `name ${id}`, body: `body ${id}`, tag: 'x', note: 'n' }));
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 10);

for (const variant of availableDatabases()) describeDifference(variant);

function describeDifference(variant: DatabaseVariant): void {
  describe(`differences on ${variant.name}`, () => {
    let migrated: MigratedDatabase;
    let database: Database;
    useMigrated(variant, (opened) => {
      migrated = opened;
      database = opened.database;
    });

    /** A table with rows that are stored already, and what a comparison of it needs. */
    async function storedItems(rows: readonly ItemRow[] = [], changes: Partial<Entity> = {}) {
      const table = await ItemTable.create(database, rows);
      const tenant = uniqueName('tenant');
      const source = await openRowSource(database, tableEntity(table.name, changes), tenant);
      const generation = await createGeneration(database, tenant);
      const compare = (deleteAll = false) => queueDifference(database, source, generation, { deleteAll });
      const settle = (failing: readonly string[] = []) =>
        settleQueue(database, source, generation, (row) => (failing.includes(row.key) ? 'failed' : 'stored'));
      await compare();
      await settle();
      const queue = () => queueOf(database, tenant);
      return { table, tenant, source, generation, compare, settle, queue };
    }

    const plan = (source: RowSource, generation: number | null, deleteAll = false) =>
      database.transaction(async (tx) => {
        const difference = await planDifference(tx, source, generation, { deleteAll });
        const { rows } = await tx.query<{ key: string }>('select key from vecpipe_plan order by key');
        return { difference, keys: rows.map(({ key }) => key) };
      });

    async function leaseAll(tenant: string) {
      const options = { tenant, entity: 'items', runId: randomUUID(), limit: 100, leaseMs: 60_000 };
      return claimBatch(database, options);
    }

    test('new, changed, unchanged and vanished rows are told apart', async () => {
      const { table, compare, queue } = await storedItems(items(1, 2, 3, 4, 5, 6));
      await table.put(...items(7));
      await table.set('2', 'name', 'other');
      await table.remove('3');
      expect(await compare()).toEqual({
        rows: 6,
        recorded: 6,
        added: 1,
        changed: 1,
        unchanged: 4,
        vanished: 1,
        keyless: 0,
        guarded: false,
        queuedAdded: 1,
        queuedChanged: 1,
        queuedDeleted: 1,
      });
      expect(await queue()).toEqual([
        expect.objectContaining({ key: '2', operation: 'upsert', version: 1, attempts: 0, failed: false }),
        expect.objectContaining({ key: '3', operation: 'delete', version: 1 }),
        expect.objectContaining({ key: '7', operation: 'upsert', version: 1 }),
      ]);
    });

    test('where nothing was ever stored every row is new', async () => {
      const { source } = await storedItems(items(1, 2));
      expect(await queueDifference(database, source, null, { deleteAll: false })).toEqual({
        ...NOTHING,
        rows: 2,
        recorded: 0,
        unchanged: 0,
        added: 2,
        queuedAdded: 2,
      });
    });

    test('an empty source where nothing is stored differs in nothing', async () => {
      const { compare } = await storedItems();
      expect(await compare()).toEqual({ ...NOTHING, rows: 0, recorded: 0, unchanged: 0 });
    });

    test('only the columns of text, payload and label count', async () => {
      const { table, compare, queue } = await storedItems(items(1, 2, 3, 4), {
        text: '{{ name }}',
        labelColumn: 'body',
      });
      await table.set('1', 'note', 'other');
      expect(await compare()).toMatchObject({ changed: 0, unchanged: 4 });
      await table.set('2', 'name', 'other');
      await table.set('3', 'tag', 'other');
      await table.set('4', 'body', 'other');
      expect(await compare()).toMatchObject({ changed: 3, unchanged: 1 });
      expect((await queue()).map(({ key }) => key)).toEqual(['2', '3', '4']);
    });

    test('null and an empty text are not the same', async () => {
      const { table, compare } = await storedItems([{ id: '1' }, { id: '2', body: '' }]);
      await table.set('1', 'body', '');
      await table.set('2', 'body', null);
      expect(await compare()).toMatchObject({ changed: 2, unchanged: 0 });
    });

    test('queueing the same content again changes nothing and counts nothing', async () => {
      const { table, compare, queue } = await storedItems(items(1, 2, 3, 4, 5));
      await table.put(...items(6));
      await table.set('2', 'name', 'other');
      await table.remove('3');
      await compare();
      const before = await queue();
      expect(await compare()).toMatchObject({
        added: 1,
        changed: 1,
        vanished: 1,
        queuedAdded: 0,
        queuedChanged: 0,
        queuedDeleted: 0,
      });
      expect(await queue()).toEqual(before);
    });

    test('a row that changes again while it is queued gets a new version', async () => {
      const { table, compare, queue } = await storedItems(items(1, 2));
      await table.set('2', 'name', 'second');
      await compare();
      await table.set('2', 'name', 'third');
      expect(await compare()).toMatchObject({ changed: 1, queuedChanged: 1 });
      expect(await queue()).toEqual([expect.objectContaining({ key: '2', version: 2 })]);
    });

    test('a leased row is left alone, unless it has changed: then its version tells, and the lease stays', async () => {
      const { table, tenant, compare } = await storedItems(items(1, 2));
      await table.put(...items(3, 4));
      await compare();
      const leases = async () => {
        const { rows } = await database.query(
          `select key, version, attempts, lease_token, lease_until from vecpipe.queue where tenant = $1 order by key`,
          [tenant],
        );
        return rows;
      };
      await leaseAll(tenant);
      const before = await leases();
      await compare();
      expect(await leases()).toEqual(before);
      await table.set('3', 'name', 'other');
      await compare();
      expect(await leases()).toEqual([{ ...before[0], version: 2, attempts: 0 }, before[1]]);
    });

    describe('the guard', () => {
      test.each([
        [5, 1],
        [10, 2],
        [35, 7],
      ])('lets exactly 20 % pass: of %i rows %i', async (count, gone) => {
        const { table, compare, queue } = await storedItems(items(...range(count)));
        await table.remove(...range(gone).map(String));
        expect(await compare()).toMatchObject({ vanished: gone, guarded: false, queuedDeleted: gone });
        expect(await queue()).toHaveLength(gone);
      });

      test.each([
        [5, 2],
        [11, 3],
        [4, 1],
        [1, 1],
      ])('stops more: of %i rows %i', async (count, gone) => {
        const { table, compare, queue } = await storedItems(items(...range(count)));
        await table.remove(...range(gone).map(String));
        expect(await compare()).toMatchObject({ vanished: gone, guarded: true, queuedDeleted: 0 });
        expect(await queue()).toEqual([]);
      });

      test('stops only the deletes', async () => {
        const { table, compare, queue } = await storedItems(items(1, 2, 3));
        await table.remove('1', '2');
        await table.set('3', 'name', 'other');
        await table.put(...items(4));
        expect(await compare()).toMatchObject({
          guarded: true,
          queuedAdded: 1,
          queuedChanged: 1,
          queuedDeleted: 0,
        });
        expect((await queue()).map(({ key }) => key)).toEqual(['3', '4']);
      });

      test('does not stop who asks for it', async () => {
        const { table, compare, queue } = await storedItems(items(1, 2, 3));
        await table.remove('1', '2', '3');
        expect(await compare(true)).toMatchObject({ vanished: 3, guarded: false, queuedDeleted: 3 });
        expect((await queue()).every(({ operation }) => operation === 'delete')).toBe(true);
      });

      test('does not count rows that were never stored: those that failed leave when they vanish', async () => {
        const { table, compare, settle, queue } = await storedItems(items(1, 2, 3));
        await table.put(...items(8, 9));
        await compare();
        await settle(['8', '9']);
        await table.remove('8', '9', '1', '2');
        expect(await compare()).toMatchObject({
          recorded: 3,
          vanished: 2,
          guarded: true,
          queuedDeleted: 2,
        });
        expect(await queue()).toEqual([
          expect.objectContaining({ key: '8', operation: 'delete', failed: false }),
          expect.objectContaining({ key: '9', operation: 'delete', failed: false }),
        ]);
      });
    });

    describe('a row that failed', () => {
      async function failedItems() {
        const all = await storedItems(items(1, 2));
        await all.table.set('2', 'name', 'bad');
        await all.table.put(...items(3));
        await all.compare();
        await all.settle(['2', '3']);
        return all;
      }

      test('rests as long as it stays as it is', async () => {
        const { compare, queue } = await failedItems();
        expect(await compare()).toMatchObject({ queuedAdded: 0, queuedChanged: 0 });
        expect((await queue()).map(({ key, failed, version }) => ({ key, failed, version }))).toEqual([
          { key: '2', failed: true, version: 1 },
          { key: '3', failed: true, version: 1 },
        ]);
      });

      test('is tried again once it has changed', async () => {
        const { table, compare, queue } = await failedItems();
        await table.set('2', 'name', 'good');
        await table.set('3', 'name', 'good');
        expect(await compare()).toMatchObject({ queuedAdded: 1, queuedChanged: 1 });
        expect(await queue()).toEqual(
          ['2', '3'].map((key) =>
            expect.objectContaining({ key, failed: false, version: 2, attempts: 0, code: null }),
          ),
        );
      });

      test('is tried again when it has become what is stored', async () => {
        const { table, compare, settle, queue } = await failedItems();
        await table.put(...items(2));
        expect(await compare()).toMatchObject({ queuedChanged: 1 });
        await settle();
        expect((await queue()).map(({ key }) => key)).toEqual(['3']);
        expect(await compare()).toMatchObject({ unchanged: 2 });
      });
    });

    test('a row that vanishes and comes back as it was is upserted, not deleted', async () => {
      const { table, compare, queue } = await storedItems(items(1, 2, 3, 4, 5));
      await table.remove('1');
      await compare();
      await table.put(...items(1));
      expect(await compare()).toMatchObject({ unchanged: 5, vanished: 0 });
      await table.set('1', 'name', 'other');
      await compare();
      expect(await queue()).toEqual([expect.objectContaining({ key: '1', operation: 'upsert', version: 2 })]);
    });

    test('rows without a key are counted and left out', async () => {
      const name = uniqueName();
      await database.execute(`
        create schema if not exists vp;
        create table vp.${name} (a text, b int, name text);
        insert into vp.${name} values ('x', 1, 'n'), ('x', null, 'n'), (null, 1, 'n'), (null, null, 'n')`);
      const entity = tableEntity(name, { keyColumns: ['a', 'b'], text: '{{ name }}', payload: [] });
      const tenant = uniqueName('tenant');
      const source = await openRowSource(database, entity, tenant);
      expect(await queueDifference(database, source, null, { deleteAll: false })).toMatchObject({
        rows: 1,
        keyless: 3,
        queuedAdded: 1,
      });
      expect((await queueOf(database, tenant)).map(({ key }) => key)).toEqual(['x/1']);
    });

    describe('a key that several rows have', () => {
      async function duplicates(): Promise<{ source: RowSource; tenant: string }> {
        const { table, tenant } = await storedItems(items(1, 2));
        const relation = {
          kind: 'query',
          sql: `select 'k' || (id::int % 1) as id, name, body, tag from ${table.sql}`,
        } as const;
        const source = await openRowSource(database, tableEntity('', { relation }), tenant);
        return { source, tenant };
      }
      const error = expect.objectContaining({
        name: 'VecpipeError',
        family: 'usage',
        code: 'key_not_unique',
        message: 'the query of entities.items has several rows with the same key (id)',
      });

      test('is one clear error, and nothing is queued', async () => {
        const { source, tenant } = await duplicates();
        await expect(queueDifference(database, source, null, { deleteAll: false })).rejects.toEqual(error);
        expect(await queueOf(database, tenant)).toEqual([]);
      });

      test('is the same error in a plan', async () => {
        const { source } = await duplicates();
        await expect(plan(source, null)).rejects.toEqual(error);
      });
    });

    test('other tenants, entities and generations are not touched', async () => {
      const name = uniqueName();
      await database.execute(`
        create schema if not exists vp;
        create table vp.${name} (owner text, id text, name text);
        insert into vp.${name} select o, i::text, 'n' from unnest(array['${name}a', '${name}b']) o, generate_series(1, 5) i`);
      const entity = tableEntity(name, { tenantColumn: 'owner', text: '{{ name }}', payload: [] });
      const [a, b] = [`${name}a`, `${name}b`];
      const generation = await createGeneration(database, name);
      const otherGeneration = await createGeneration(database, `${name}-other`);
      const sourceA = await openRowSource(database, entity, a);
      const sourceB = await openRowSource(database, entity, b);
      const sourceOther = await openRowSource(database, { ...entity, name: 'others' }, a);
      const compare = (source: RowSource, id = generation) =>
        queueDifference(database, source, id, { deleteAll: false });
      for (const source of [sourceA, sourceB, sourceOther]) {
        await compare(source);
        await settleQueue(database, source, generation);
      }
      await compare(sourceA, otherGeneration);
      await settleQueue(database, sourceA, otherGeneration);

      await database.query(`delete from vp.${name} where id = '1'`);
      await database.query(`update vp.${name} set name = 'other' where id = '2'`);
      expect(await compare(sourceA)).toMatchObject({
        rows: 4,
        recorded: 5,
        changed: 1,
        unchanged: 3,
        vanished: 1,
      });
      expect(await queueOf(database, b)).toEqual([]);
      expect(await queueOf(database, a, 'others')).toEqual([]);
      await settleQueue(database, sourceA, generation);
      expect((await stateOf(database, b)).map(({ key }) => key)).toEqual(['1', '2', '3', '4', '5']);
      expect((await stateOf(database, a, 'others')).map(({ key }) => key)).toHaveLength(5);
      expect(await compare(sourceA, otherGeneration)).toMatchObject({ recorded: 5, changed: 1, vanished: 1 });
      expect(await compare(sourceB)).toMatchObject({ recorded: 5, changed: 1, vanished: 1, unchanged: 3 });
    });

    describe('a plan', () => {
      async function contents(tenant: string) {
        const state = await database.query(
          'select * from vecpipe.vector_state where tenant = $1 order by key',
          [tenant],
        );
        const queue = await database.query('select * from vecpipe.queue where tenant = $1 order by key', [
          tenant,
        ]);
        return { state: state.rows, queue: queue.rows };
      }

      test('counts what would be queued, writes nothing, and names the rows that would be worked on', async () => {
        const { table, tenant, source, generation, compare, settle } = await storedItems(
          items(1, 2, 3, 4, 5, 6),
        );
        await table.put(...items(7, 8));
        await compare();
        await settle(['7', '8']);
        await table.put(...items(9));
        await compare();
        // Now 7 and 8 rest as failed, and 9 is queued.
        await table.set('8', 'name', 'other');
        await table.set('1', 'name', 'other');
        await table.remove('2');
        await table.put(...items('a'));
        const before = await contents(tenant);
        const planned = await plan(source, generation);
        expect(await contents(tenant)).toEqual(before);
        expect(planned.keys).toEqual(['1', '8', '9', 'a']);
        expect(await compare()).toEqual(planned.difference);
        expect(planned.difference).toEqual<QueuedDifference>({
          rows: 9,
          recorded: 6,
          added: 4,
          changed: 1,
          unchanged: 4,
          vanished: 1,
          keyless: 0,
          guarded: false,
          queuedAdded: 2,
          queuedChanged: 1,
          queuedDeleted: 1,
        });
      });

      test('heeds the guard as well', async () => {
        const { table, source, generation, compare } = await storedItems(items(1, 2));
        await table.remove('1');
        const guarded = await plan(source, generation);
        expect(guarded.difference).toMatchObject({ vanished: 1, guarded: true, queuedDeleted: 0 });
        const asked = await plan(source, generation, true);
        expect(asked.difference).toMatchObject({ vanished: 1, guarded: false, queuedDeleted: 1 });
        expect(await compare(true)).toEqual(asked.difference);
      });
    });

    test.skipIf(variant.kind !== 'postgres')('50,000 rows are compared in one statement', async () => {
      const { table, tenant, source, generation, compare } = await storedItems();
      await database.query(
        `insert into ${table.sql} (id, name, body) select i::text, 'name ' || i, repeat('text ', 20) from generate_series(1, 50000) i`,
      );
      expect(await compare()).toMatchObject({ rows: 50_000, queuedAdded: 50_000 });
      await database.query(
        `insert into vecpipe.vector_state (generation_id, tenant, entity, key, row_hash, text_hash, payload_hash, chunks)
         select $2, tenant, entity, key, row_hash, 't', 'p', 1 from vecpipe.queue where tenant = $1`,
        [tenant, generation],
      );
      await database.query('delete from vecpipe.queue where tenant = $1', [tenant]);
      await database.query(`update ${table.sql} set name = 'other' where id::int % 1000 = 0`);
      await database.query(`delete from ${table.sql} where id::int % 1000 = 1`);
      expect(await compare()).toMatchObject({
        changed: 50,
        vanished: 50,
        unchanged: 49_900,
        queuedChanged: 50,
        queuedDeleted: 50,
      });
      expect((await plan(source, generation)).keys).toHaveLength(50);
    });

    test.skipIf(variant.kind !== 'postgres')(
      'several processes may compare the same rows at once',
      async () => {
        const { table, tenant, source, generation } = await storedItems(items(1, 2, 3));
        await table.put(...items(...range(200)));
        await table.set('1', 'name', 'other');
        await using other = await migrated.testDatabase.open();
        const all = await Promise.all(
          [database, other, database, other].map((each) =>
            queueDifference(each, source, generation, { deleteAll: false }),
          ),
        );
        expect(all.reduce((sum, each) => sum + each.queuedAdded + each.queuedChanged, 0)).toBe(201);
        expect((await queueOf(database, tenant)).every(({ version }) => version === 1)).toBe(true);
      },
    );
  });
}
