import { describe, expect, test } from 'vitest';
import { reconnectingDatabase } from '../../src/db/reconnecting-database.ts';
import type { Entity } from '../../src/entities/entity.ts';
import { READY_MADE_ENTITIES } from '../../src/entities/ready-made.ts';
import { unavailableError } from '../../src/errors/vecpipe-error.ts';
import type { Database } from '../../src/ports/database.ts';
import { storeRecords } from '../../src/sources/records/store-records.ts';
import type { EntityRecord } from '../../src/sources/records/store-records.ts';
import { queueDifference } from '../../src/sources/rows/difference.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import type { RowSource } from '../../src/sources/rows/row-source.ts';
import { useMigrated } from '../helpers/backends.ts';
import type { MigratedDatabase } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { intercept } from '../helpers/intercept.ts';
import { createGeneration, queueOf, settleQueue, uniqueName } from '../helpers/pipeline.ts';

function readyMade(name: string): Entity {
  const entity = READY_MADE_ENTITIES.find((each) => each.name === name);
  if (!entity) throw new Error(`there is no entity ${name}`);
  return entity;
}

function wit(id: string, changes: Partial<EntityRecord['fields']> = {}, attributes = '{}'): EntityRecord {
  const fields: Record<string, string | number | null> = {
    name: `name ${id}`,
    description: null,
    hierarchy_level: 1,
  };
  for (const [name, value] of Object.entries(changes)) fields[name] = value ?? null;
  return { id, fields, attributes };
}

for (const variant of availableDatabases()) describeRecords(variant);

function describeRecords(variant: DatabaseVariant): void {
  describe(`records on ${variant.name}`, () => {
    let migrated: MigratedDatabase;
    let database: Database;
    useMigrated(variant, (opened) => {
      migrated = opened;
      database = opened.database;
    });

    async function tenantOf(entity = readyMade('wits')) {
      const tenant = uniqueName('tenant');
      const source = await openRowSource(database, entity, tenant);
      const write = (records: readonly EntityRecord[], dryRun = false, on = database) =>
        storeRecords(on, source, entity.record ?? [], records, { dryRun });
      return { tenant, source, write, queue: () => queueOf(database, tenant, entity.name) };
    }

    const rowsOf = async (tenant: string, table = 'wits') =>
      (await database.query(`select * from vecpipe.${table} where tenant = $1 order by id`, [tenant])).rows;

    test('are written and queued once when the answer to the commit is lost', async () => {
      const { tenant, write, queue } = await tenantOf();
      let answers = 0;
      const flaky = intercept(database, {
        after: () => {
          answers += 1;
          if (answers === 1) throw unavailableError('database_connection_lost', 'lost the connection to it');
        },
      });
      const giveUp = new AbortController().signal;
      const waiting = reconnectingDatabase(flaky, { maxOutageMs: 60_000, giveUp, notify: () => {} });
      expect(await write([wit('1'), wit('2')], false, waiting)).toMatchObject({ unchanged: 2, queued: 0 });
      expect(answers).toBe(2);
      expect(await rowsOf(tenant)).toHaveLength(2);
      expect(await queue()).toMatchObject([
        { key: '1', version: 1 },
        { key: '2', version: 1 },
      ]);
    });

    async function settle(source: RowSource): Promise<number> {
      const generation = await createGeneration(database, uniqueName());
      await settleQueue(database, source, generation);
      return generation;
    }

    test('are written with every field, and queued in the same transaction', async () => {
      const { tenant, write, queue } = await tenantOf(readyMade('projects'));
      const record: EntityRecord = {
        id: '10/~😀',
        fields: {
          key: 'VEC-1',
          name: 'a "name" \\ <b>',
          description: 'line\nline',
          type: null,
          lead: null,
          url: 'https://example.org/?a=1&b=2',
          updated_at: '2024-02-29T18:14:59.123Z',
        },
        attributes: '{"big":9007199254740993,"nested":{"a":[1,null]}}',
      };
      expect(await write([record])).toEqual({ inserted: 1, updated: 0, unchanged: 0, deleted: 0, queued: 1 });
      const { rows } = await database.query(
        `select id, key, name, description, type, lead, url, updated_at, attributes::text as attributes
         from vecpipe.projects where tenant = $1`,
        [tenant],
      );
      expect(rows).toEqual([
        {
          id: '10/~😀',
          ...record.fields,
          updated_at: new Date('2024-02-29T18:14:59.123Z'),
          attributes: '{"big": 9007199254740993, "nested": {"a": [1, null]}}',
        },
      ]);
      expect(await queue()).toEqual([
        expect.objectContaining({ key: '10/~😀', operation: 'upsert', version: 1 }),
      ]);
    });

    test('are told apart by what they do', async () => {
      const { source, write, queue } = await tenantOf();
      await write([wit('1'), wit('2'), wit('3')]);
      await settle(source);
      const records = [wit('1'), wit('2', { name: 'other' }), wit('3', { hierarchy_level: null }), wit('4')];
      expect(await write(records)).toEqual({ inserted: 1, updated: 2, unchanged: 1, deleted: 0, queued: 3 });
      expect((await queue()).map(({ key }) => key)).toEqual(['2', '3', '4']);
    });

    test('that come twice change nothing', async () => {
      const { tenant, write, queue } = await tenantOf();
      await write([wit('1', {}, '{"a":1}')]);
      const before = [await rowsOf(tenant), await queue()];
      expect(await write([wit('1', {}, '{"a":  1}')])).toEqual({
        inserted: 0,
        updated: 0,
        unchanged: 1,
        deleted: 0,
        queued: 0,
      });
      expect([await rowsOf(tenant), await queue()]).toEqual(before);
    });

    test('queue what a comparison of the table would find, with the same content', async () => {
      const { tenant, source, write, queue } = await tenantOf();
      await write([wit('1'), wit('2')]);
      const generation = await settle(source);
      await write([wit('2', { name: 'other' }), wit('3')]);
      const before = await queue();
      expect(await queueDifference(database, source, generation, { deleteAll: false })).toMatchObject({
        added: 1,
        changed: 1,
        unchanged: 1,
        queuedAdded: 0,
        queuedChanged: 0,
      });
      expect(await queue()).toEqual(before);
      expect(await rowsOf(tenant)).toHaveLength(3);
    });

    test('of a dry run are counted, and not written', async () => {
      const { tenant, write, queue } = await tenantOf();
      await write([wit('1'), wit('2')]);
      const before = [await rowsOf(tenant), await queue()];
      const records = [wit('1'), wit('2', { name: 'other' }), wit('3')];
      const planned = await write(records, true);
      expect(planned).toEqual({ inserted: 1, updated: 1, unchanged: 1, deleted: 0, queued: 2 });
      expect([await rowsOf(tenant), await queue()]).toEqual(before);
      expect(await write(records)).toEqual(planned);
    });

    test('and their queue rows are written together or not at all', async () => {
      const { tenant, write, queue } = await tenantOf();
      const failure = new Error('connection lost');
      const failing = intercept(database, {});
      const transaction: Database['transaction'] = (work, options) =>
        database.transaction(
          (tx) =>
            work(
              intercept(tx, {
                before: ({ args: [sql] }) => {
                  if (String(sql).includes('vecpipe.queue')) throw failure;
                },
              }),
            ),
          options,
        );
      const broken = new Proxy(failing, {
        get: (target, name) => (name === 'transaction' ? transaction : Reflect.get(target, name)),
      });
      await expect(write([wit('1')], false, broken)).rejects.toBe(failure);
      expect([await rowsOf(tenant), await queue()]).toEqual([[], []]);
    });

    test('of one tenant leave those of another alone, also with the same id', async () => {
      const one = await tenantOf();
      const other = await tenantOf();
      await one.write([wit('1')]);
      await other.write([wit('1', { name: 'of the other' })]);
      await one.write([wit('1', { name: 'changed' })]);
      expect((await rowsOf(other.tenant)).map((row) => row['name'])).toEqual(['of the other']);
      expect((await rowsOf(one.tenant)).map((row) => row['name'])).toEqual(['changed']);
      expect(await other.queue()).toEqual([expect.objectContaining({ version: 1 })]);
    });

    test.skipIf(variant.kind !== 'postgres')('may be written by several processes at once', async () => {
      const { tenant, write, queue } = await tenantOf();
      const ids = Array.from({ length: 100 }, (_, index) => String(index));
      await using second = await migrated.testDatabase.open();
      const written = await Promise.all(
        [database, second, database, second].map((on, index) =>
          write(
            (index < 2 ? ids : ids.toReversed()).map((id) => wit(id)),
            false,
            on,
          ),
        ),
      );
      expect(written.reduce((sum, each) => sum + each.inserted, 0)).toBe(100);
      expect(await rowsOf(tenant)).toHaveLength(100);
      expect((await queue()).every(({ version }) => version === 1)).toBe(true);
    });
  });
}
