import { describe, expect, test } from 'vitest';
import type { Entity } from '../../src/entities/entity.ts';
import { READY_MADE_ENTITIES } from '../../src/entities/ready-made.ts';
import type { Database } from '../../src/ports/database.ts';
import { storeRecords } from '../../src/sources/records/store-records.ts';
import type { EntityRecord } from '../../src/sources/records/store-records.ts';
import { queueDifference } from '../../src/sources/rows/difference.ts';
import { loadRows } from '../../src/sources/rows/load-rows.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { useMigrated } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import {
  createGeneration,
  queueOf,
  settleQueue,
  stateOf,
  tableEntity,
  uniqueName,
} from '../helpers/pipeline.ts';

for (const variant of availableDatabases()) describeDeletes(variant);

function describeDeletes(variant: DatabaseVariant): void {
  describe(`deletes on ${variant.name}`, () => {
    let database: Database;
    useMigrated(variant, async (opened) => {
      database = opened.database;
      await database.execute('create schema vp');
    });

    describe('a soft-delete column', () => {
      async function softTable(type: string, changes: Partial<Entity> = {}) {
        const name = uniqueName('soft');
        await database.execute(
          `create table vp.${name} (id text primary key, name text, body text, tag text, tenant_id integer default 1, gone ${type})`,
        );
        const entity = tableEntity(name, { deletedColumn: 'gone', ...changes });
        const tenant = changes.tenantColumn === undefined ? uniqueName('tenant') : '1';
        const source = await openRowSource(database, entity, tenant);
        const generation = await createGeneration(database, uniqueName('collection'));
        const compare = (deleteAll = false) => queueDifference(database, source, generation, { deleteAll });
        const put = (values: string) =>
          database.execute(`insert into vp.${name} (id, name, gone) values ${values}`);
        return { table: `vp.${name}`, source, generation, compare, put };
      }

      test.each([
        ['boolean', ['null', 'false'], ['true']],
        ['integer', ['null', '0'], ['1', '-1']],
        ['numeric', ['null', '0.00'], ['0.5', `'NaN'`]],
        ['double precision', ['null', '0', '-0.0'], ['1e-9']],
        ['timestamptz', ['null'], ['now()', `'infinity'`]],
        ['text', ['null'], [`''`, `'no'`]],
        ['date', ['null'], [`'2026-01-01'`]],
      ])('of type %s', async (type, there, gone) => {
        const { source, compare, put } = await softTable(type);
        await put(
          [
            ...there.map((value, index) => `('there ${index}', 'x', ${value})`),
            ...gone.map((value, index) => `('gone ${index}', 'x', ${value})`),
          ].join(', '),
        );
        expect(await compare()).toMatchObject({ rows: there.length, queuedAdded: there.length });
        const keys = (await queueOf(database, source.tenant)).map(({ key }) => key);
        expect(keys).toEqual(there.map((_value, index) => `there ${index}`));
        const [one] = await loadRows(database, source, null, ['gone 0']);
        expect(one?.values).toBeNull();
      });

      test('deletes a row that was stored when it is set, and adds it when it is unset', async () => {
        const { table, source, compare, put, generation } = await softTable('timestamptz', {
          tenantColumn: 'tenant_id',
        });
        await put(Array.from({ length: 10 }, (_none, index) => `('${index}', 'x', null)`).join(', '));
        await compare();
        await settleQueue(database, source, generation);
        await database.execute(`update ${table} set gone = now() where id = '3'`);
        expect(await compare()).toMatchObject({ rows: 9, vanished: 1, queuedDeleted: 1 });
        await settleQueue(database, source, generation);
        await database.execute(`update ${table} set gone = null where id = '3'`);
        expect(await compare()).toMatchObject({ rows: 10, queuedAdded: 1 });
        await settleQueue(database, source, generation);
        await database.execute(`update ${table} set gone = now()`);
        expect(await compare()).toMatchObject({ rows: 0, vanished: 10, guarded: true, queuedDeleted: 0 });
      });

      test('has to be there', async () => {
        const { source } = await softTable('text');
        const entity = { ...source.entity, deletedColumn: 'gnoe' };
        await expect(openRowSource(database, entity, '1')).rejects.toMatchObject({
          code: 'column_missing',
          message: expect.stringContaining(
            'has no column gnoe, which entities.items.deleted names',
          ) as string,
          hint: 'did you mean gone?',
        });
      });
    });

    test('a table that was emptied is caught by the guard', async () => {
      const name = uniqueName('emptied');
      await database.execute(
        `create table vp.${name} (id text, name text, body text, tag text);
        insert into vp.${name} select n::text, 'x', '', '' from generate_series(1, 10) n`,
      );
      const source = await openRowSource(database, tableEntity(name), uniqueName('tenant'));
      const generation = await createGeneration(database, uniqueName('collection'));
      await queueDifference(database, source, generation, { deleteAll: false });
      await settleQueue(database, source, generation);
      await database.execute(`truncate vp.${name}`);
      const held = await queueDifference(database, source, generation, { deleteAll: false });
      expect(held).toMatchObject({ vanished: 10, recorded: 10, guarded: true, queuedDeleted: 0 });
      expect(await queueOf(database, source.tenant)).toEqual([]);
      const wanted = await queueDifference(database, source, generation, { deleteAll: true });
      expect(wanted).toMatchObject({ guarded: false, queuedDeleted: 10 });
    });

    describe('records that say they are deleted', () => {
      const wits = READY_MADE_ENTITIES.find(({ name }) => name === 'wits');
      const wit = (id: string): EntityRecord => ({
        id,
        fields: { name: `name ${id}`, description: null, hierarchy_level: 1 },
        attributes: '{}',
      });
      const gone = (id: string): EntityRecord => ({ id, fields: {}, attributes: '{}', deleted: true });

      async function stored(...ids: string[]) {
        if (!wits) throw new Error('there is no entity wits');
        const source = await openRowSource(database, wits, uniqueName('tenant'));
        const generation = await createGeneration(database, uniqueName('collection'));
        const write = (records: readonly EntityRecord[], dryRun = false) =>
          storeRecords(database, source, wits.record ?? [], records, { dryRun });
        await write(ids.map((id) => wit(id)));
        await settleQueue(database, source, generation);
        const rows = async () =>
          (
            await database.query<{ id: string }>(
              'select id from vecpipe.wits where tenant = $1 order by id',
              [source.tenant],
            )
          ).rows.map(({ id }) => id);
        const queue = async () =>
          (await queueOf(database, source.tenant, 'wits')).map(({ key, operation }) => `${operation} ${key}`);
        return { source, generation, write, rows, queue };
      }

      test('delete their rows, among others that are written, and those that are not there are unchanged', async () => {
        const { source, generation, write, rows, queue } = await stored('1', '2', '3');
        const other = await stored('1');
        const counts = await write([gone('1'), wit('4'), gone('nowhere'), gone('2'), wit('3')]);
        expect(counts).toEqual({ inserted: 1, updated: 0, unchanged: 2, deleted: 2, queued: 3 });
        expect(await rows()).toEqual(['3', '4']);
        expect(await queue()).toEqual(['delete 1', 'delete 2', 'upsert 4']);
        expect(await other.rows()).toEqual(['1']);
        await settleQueue(database, source, generation);
        expect((await stateOf(database, source.tenant, 'wits')).map(({ key }) => key)).toEqual(['3', '4']);
        expect(await write([gone('1'), gone('2')])).toMatchObject({ deleted: 0, unchanged: 2, queued: 0 });
      });

      test('delete nothing in a dry run, and a row that comes back is written', async () => {
        const { write, rows, queue } = await stored('1');
        expect(await write([gone('1')], true)).toMatchObject({ deleted: 1, queued: 1 });
        expect([await rows(), await queue()]).toEqual([['1'], []]);
        await write([gone('1')]);
        await write([wit('1')]);
        expect([await rows(), await queue()]).toEqual([['1'], ['upsert 1']]);
      });

      test('are not held by the guard, because each of them names its row', async () => {
        const { source, generation, write, queue } = await stored('1', '2', '3');
        await write([gone('1'), gone('2'), gone('3')]);
        expect(await queue()).toEqual(['delete 1', 'delete 2', 'delete 3']);
        const difference = await queueDifference(database, source, generation, { deleteAll: false });
        expect(difference.queuedDeleted).toBe(0);
      });
    });
  });
}
