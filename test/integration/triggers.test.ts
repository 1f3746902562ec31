import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { quoteIdentifier } from '../../src/db/quote.ts';
import type { Entity } from '../../src/entities/entity.ts';
import type { Database, Queryable } from '../../src/ports/database.ts';
import { queueDifference } from '../../src/sources/rows/difference.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { needsComparison, noteCompared, readEpoch } from '../../src/triggers/baseline.ts';
import { heldDeletes } from '../../src/triggers/delete-guard.ts';
import { dropTriggers, installTriggers, listTriggers } from '../../src/triggers/install-triggers.ts';
import { refuseEntity, refuseTable } from '../../src/triggers/refuse-table.ts';
import { triggerDefinition } from '../../src/triggers/trigger-definition.ts';
import { readTriggerState } from '../../src/triggers/trigger-state.ts';
import { useMigrated } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { createGeneration, settleQueue, tableEntity, uniqueName } from '../helpers/pipeline.ts';

const KEEP = { dryRun: false };

for (const variant of availableDatabases()) describeTriggers(variant);

function describeTriggers(variant: DatabaseVariant): void {
  describe(`triggers on ${variant.name}`, () => {
    let database: Database;
    useMigrated(variant, async (opened) => {
      database = opened.database;
      await database.execute('create schema vp');
    });

    /** A table with the columns given and an entity of its own over it, without triggers. */
    async function createTable(columns = 'id text primary key, name text, body text, tag text, note text') {
      const name = uniqueName('table');
      await database.execute(`create table vp.${name} (${columns})`);
      return {
        table: `vp.${name}`,
        entity: (changes: Partial<Entity> = {}) => tableEntity(name, { name, ...changes }),
      };
    }

    async function watch(entity: Entity, tenant = '1') {
      const source = await openRowSource(database, entity, tenant);
      const definition = triggerDefinition(source);
      if (definition === null) throw new Error('a table was to have triggers');
      const install = () => installTriggers(database, definition, KEEP);
      const state = () => readTriggerState(database, definition);
      return { source, definition, install, state };
    }

    /** A table with triggers. */
    async function watched(columns?: string, changes: Partial<Entity> = {}) {
      const { table, entity } = await createTable(columns);
      const one = await watch(entity(changes));
      await one.install();
      const queue = () => queued(database, one.definition.entity);
      return { table, entity, ...one, queue, run: (sql: string) => database.execute(sql) };
    }

    test('an insert queues its rows with the hashes that a comparison would give them', async () => {
      const { table, source, queue, run, definition } = await watched();
      await run(
        `insert into ${table} (id, name) values ('b', 'B'), ('a', 'A'), ('😀/~', repeat('é', 1000000))`,
      );
      const fromTriggers = await queue();
      expect(fromTriggers.map(({ key, operation }) => `${operation} ${key}`)).toEqual([
        'upsert a',
        'upsert b',
        'upsert 😀/~',
      ]);
      const difference = await queueDifference(database, source, null, { deleteAll: false });
      expect(difference).toMatchObject({ added: 3, queuedAdded: 0 });
      expect(await queued(database, definition.entity)).toEqual(fromTriggers);
    });

    test('an update queues rows of which a used column has changed, and no others', async () => {
      const { table, queue, run } = await watched();
      await run(
        `insert into ${table} (id, name, note) select n::text, 'x', 'y' from generate_series(1, 3) n`,
      );
      await forget(database);
      await run(`update ${table} set note = 'z', name = 'x'`);
      expect(await queue()).toEqual([]);
      await run(`update ${table} set name = 'changed' where id = '2'`);
      expect(await queue()).toMatchObject([{ key: '2', operation: 'upsert' }]);
      await run(`update ${table} set tag = 'a' where id <> '2'`);
      expect((await queue()).map(({ key }) => key)).toEqual(['1', '2', '3']);
    });

    test('a new key is a delete of the old one, also where keys move on to each other', async () => {
      const { table, queue, run } = await watched(
        'id integer primary key deferrable initially deferred, name text, body text, tag text',
      );
      await run(`insert into ${table} values (1, 'a', '', ''), (2, 'b', '', ''), (3, 'c', '', '')`);
      await forget(database);
      await run(`update ${table} set id = id + 1`);
      expect((await queue()).map(({ key, operation }) => `${operation} ${key}`)).toEqual([
        'delete 1',
        'upsert 2',
        'upsert 3',
        'upsert 4',
      ]);
    });

    test('a row that passes to another tenant is deleted from the one and added to the other', async () => {
      const { table, queue, run } = await watched(
        'id integer primary key, name text, body text, tag text, tenant_id integer',
        { tenantColumn: 'tenant_id' },
      );
      await run(
        `insert into ${table} values (1, 'a', '', '', 1), (2, 'b', '', '', 2), (3, 'c', '', '', null)`,
      );
      expect((await queue()).map(({ tenant, key }) => `${tenant}:${key}`)).toEqual(['1:1', '2:2']);
      await forget(database);
      await run(`update ${table} set tenant_id = 2 where id = 1`);
      expect((await queue()).map(({ tenant, key, operation }) => `${operation} ${tenant}:${key}`)).toEqual([
        'delete 1:1',
        'upsert 2:1',
      ]);
    });

    test('deletes, upserts and merges of several rows are queued as what they did', async () => {
      const { table, queue, run } = await watched();
      await run(`insert into ${table} (id, name) select n::text, 'x' from generate_series(1, 4) n`);
      await forget(database);
      await run(`delete from ${table} where id in ('1', '2')`);
      await run(
        `insert into ${table} (id, name) values ('3', 'x'), ('4', 'new'), ('5', 'five') on conflict (id) do update set name = excluded.name`,
      );
      expect((await queue()).map(({ key, operation }) => `${operation} ${key}`)).toEqual([
        'delete 1',
        'delete 2',
        'upsert 4',
        'upsert 5',
      ]);
    });

    test('what is rolled back is not queued', async () => {
      const { table, queue, run } = await watched();
      const failure = new Error('undone');
      await expect(
        database.transaction(async (tx) => {
          await tx.execute(`insert into ${table} (id, name) values ('1', 'x')`);
          throw failure;
        }),
      ).rejects.toBe(failure);
      expect(await queue()).toEqual([]);
      await run(`insert into ${table} (id, name) values ('1', 'x')`);
      expect(await queue()).toHaveLength(1);
    });

    test('the last thing done in a transaction is what stays queued', async () => {
      const { table, queue } = await watched();
      await database.transaction(async (tx) => {
        await tx.execute(`insert into ${table} (id, name) values ('1', 'x'), ('2', 'x')`);
        await tx.execute(`delete from ${table}`);
        await tx.execute(`insert into ${table} (id, name) values ('2', 'y')`);
      });
      expect(await queue()).toMatchObject([
        { key: '1', operation: 'delete' },
        { key: '2', operation: 'upsert' },
      ]);
    });

    test('rows without a key or with the same key do not disturb the statement', async () => {
      const { table, queue, run } = await watched('id text, part integer, name text, body text, tag text', {
        keyColumns: ['id', 'part'],
      });
      await run(
        `insert into ${table} values (null, 1, 'a', '', ''), ('a', null, 'a', '', ''), ('b', 1, 'x', '', ''), ('b', 1, 'y', '', '')`,
      );
      expect(await queue()).toMatchObject([{ key: 'b/1', operation: 'upsert' }]);
      await run(`update ${table} set name = 'z'`);
      await run(`delete from ${table} where name = 'z'`);
      expect(await queue()).toMatchObject([{ key: 'b/1', operation: 'delete' }]);
    });

    test('a row marked as deleted counts as gone, and comes back', async () => {
      const { table, source, queue, run } = await watched(
        'id integer primary key, name text, body text, tag text, gone timestamptz',
        { deletedColumn: 'gone' },
      );
      await run(`insert into ${table} values (1, 'a', '', '', null), (2, 'b', '', '', now())`);
      expect((await queue()).map(({ key }) => key)).toEqual(['1']);
      await forget(database);
      await run(`update ${table} set gone = case when gone is null then now() end`);
      expect((await queue()).map(({ key, operation }) => `${operation} ${key}`)).toEqual([
        'delete 1',
        'upsert 2',
      ]);
      await forget(database);
      await run(`update ${table} set gone = now(), name = 'other' where id = 1`);
      expect(await queue()).toEqual([]);
      const difference = await queueDifference(database, source, null, { deleteAll: false });
      expect(difference.rows).toBe(1);
    });

    test('hashes do not depend on the session that writes', async () => {
      const { table, source, queue, run } = await watched(
        'id integer primary key, name timestamptz, body interval, tag bytea',
      );
      await database.transaction(async (tx) => {
        await tx.execute(
          `set local timezone = 'Asia/Tokyo'; set local datestyle = 'German'; set local intervalstyle = 'postgres'; set local bytea_output = 'escape'`,
        );
        await tx.execute(
          `insert into ${table} values (1, '2026-03-01T00:00:00Z', '1 day 2 hours', '\\x00ff')`,
        );
      });
      const before = await queue();
      expect(await queueDifference(database, source, null, { deleteAll: false })).toMatchObject({
        added: 1,
        queuedAdded: 0,
      });
      expect(await queue()).toEqual(before);
      await run(`update ${table} set name = '2026-03-01T01:00:00+01:00'`);
      expect(await queue()).toEqual(before);
    });

    test('a foreign key that cascades is noticed', async () => {
      const { table, queue, run } = await watched(
        'id integer primary key, name text, body text, tag text, owner integer',
      );
      await run(`create table ${table}_owner (id integer primary key); insert into ${table}_owner values (1), (2);
        alter table ${table} add foreign key (owner) references ${table}_owner on delete cascade;
        insert into ${table} values (1, 'a', '', '', 1), (2, 'b', '', '', 2)`);
      await forget(database);
      await run(`delete from ${table}_owner where id = 1`);
      expect(await queue()).toMatchObject([{ key: '1', operation: 'delete' }]);
    });

    test('the statement goes on when its rows cannot be queued, and all are compared then', async () => {
      const { table, source, queue, run } = await watched();
      const generation = await createGeneration(database, uniqueName('collection'));
      await noteCompared(database, source, generation, await readEpoch(database, source));
      expect(await needsComparison(database, source, generation)).toBe(false);
      // More than an index entry of the queue holds, even compressed.
      await database
        .query(`insert into ${table} (id, name) select $1, 'x'`, [randomBytes(2000).toString('hex')])
        .catch(() => {
          // The table's own primary key may refuse it as well.
        });
      await run(`alter table ${table} drop constraint ${table.slice(3)}_pkey`);
      await database.query(`insert into ${table} (id, name) select $1, 'x'`, [
        randomBytes(4000).toString('hex'),
      ]);
      expect(await queue()).toEqual([]);
      expect((await database.query(`select from ${table}`)).rows).toHaveLength(1);
      expect(await needsComparison(database, source, generation)).toBe(true);
    });

    test('emptying the table queues nothing and has it compared, where the guard then stops', async () => {
      const { table, source, queue, run } = await watched();
      const generation = await createGeneration(database, uniqueName('collection'));
      await run(`insert into ${table} (id, name) select n::text, 'x' from generate_series(1, 10) n`);
      await settleQueue(database, source, generation);
      await noteCompared(database, source, generation, await readEpoch(database, source));
      expect(await needsComparison(database, source, generation)).toBe(false);
      await run(`truncate ${table}`);
      expect(await queue()).toEqual([]);
      expect(await needsComparison(database, source, generation)).toBe(true);
      const difference = await queueDifference(database, source, generation, { deleteAll: false });
      expect(difference).toMatchObject({ vanished: 10, guarded: true, queuedDeleted: 0 });
    });

    test('deletes of more than a fifth of the rows are held, those of less are not', async () => {
      const { table, source, run } = await watched();
      const generation = await createGeneration(database, uniqueName('collection'));
      await run(`insert into ${table} (id, name) select n::text, 'x' from generate_series(1, 10) n`);
      await settleQueue(database, source, generation);
      expect(await heldDeletes(database, source, generation)).toMatchObject({
        vanished: 0,
        recorded: 0,
        guarded: false,
      });
      await run(`delete from ${table} where id in ('1', '2')`);
      expect(await heldDeletes(database, source, generation)).toMatchObject({
        vanished: 2,
        recorded: 10,
        guarded: false,
      });
      await run(`delete from ${table} where id = '3'`);
      expect(await heldDeletes(database, source, generation)).toMatchObject({
        vanished: 3,
        recorded: 10,
        guarded: true,
      });
      await dropTriggers(database, source.entity.name, KEEP);
      expect((await heldDeletes(database, source, generation)).guarded).toBe(false);
    });

    describe('comparisons', () => {
      async function compared() {
        const one = await watched();
        const generation = await createGeneration(database, uniqueName('collection'));
        await noteCompared(database, one.source, generation, await readEpoch(database, one.source));
        const needs = (source = one.source) => needsComparison(database, source, generation);
        expect(await needs()).toBe(false);
        return { ...one, generation, needs };
      }

      test('are needed for a generation and a tenant that were not compared', async () => {
        const { source, entity, generation } = await compared();
        const other = await createGeneration(database, uniqueName('collection'));
        expect(await needsComparison(database, source, other)).toBe(true);
        expect(await needsComparison(database, source, null)).toBe(true);
        const foreign = await openRowSource(database, entity(), 'else');
        expect(await needsComparison(database, foreign, generation)).toBe(true);
      });

      test('are needed where triggers are disabled, missing, outdated or gone', async () => {
        const { table, entity, needs, state, run, install, definition } = await compared();
        const [insert = ''] = definition.triggerNames;
        await run(`alter table ${table} disable trigger ${quoteIdentifier(insert)}`);
        expect([await state(), await needs()]).toEqual(['disabled', true]);
        await run(`alter table ${table} enable trigger ${quoteIdentifier(insert)}`);
        expect([await state(), await needs()]).toEqual(['current', false]);
        const changed = await watch(entity({ payload: ['note'] }));
        expect([await changed.state(), await needs(changed.source)]).toEqual(['outdated', true]);
        await run(`drop trigger ${quoteIdentifier(insert)} on ${table}`);
        expect([await state(), await needs()]).toEqual(['incomplete', true]);
        expect(await install()).toBe('incomplete');
        expect([await state(), await needs()]).toEqual(['current', true]);
      });

      test('are needed once the rows were rewritten or a child table was added', async () => {
        const rewritten = await compared();
        await rewritten.run(
          `alter table ${rewritten.table} alter column name type text using upper(name) || '!'`,
        );
        expect(await rewritten.needs()).toBe(true);
        const parent = await compared();
        await parent.run(`create table ${parent.table}_child () inherits (${parent.table})`);
        expect(await parent.needs()).toBe(true);
      });

      test('are needed when triggers were made anew while a comparison was under way', async () => {
        const { source, generation, needs, definition, install } = await compared();
        const epoch = await readEpoch(database, source);
        await dropTriggers(database, definition.entity, KEEP);
        await install();
        await noteCompared(database, source, generation, epoch);
        expect(await needs()).toBe(true);
      });

      test('are needed where another live collection shares the queue', async () => {
        const { source, generation, needs, run, table } = await compared();
        const other = await createGeneration(database, uniqueName('collection'));
        await run(`insert into ${table} (id, name) values ('1', 'x')`);
        await settleQueue(database, source, other);
        expect(await needs()).toBe(true);
        await database.query(`update vecpipe.generations set status = 'retired' where id = $1`, [other]);
        expect(await needsComparison(database, source, generation)).toBe(false);
      });
    });

    test('installing again changes nothing, and after a change of the config replaces', async () => {
      const { table, entity, install, source, definition, run, queue } = await watched();
      const triggers = () =>
        database
          .query('select oid::int8 from pg_trigger where tgrelid = to_regclass($1) order by 1', [table])
          .then(({ rows }) => rows);
      const before = [await triggers(), await readEpoch(database, source)];
      expect(await install()).toBe('current');
      expect([await triggers(), await readEpoch(database, source)]).toEqual(before);
      expect(await triggers()).toHaveLength(4);
      const changed = await watch(entity({ payload: ['tag', 'note'] }));
      expect(await installTriggers(database, changed.definition, { dryRun: true })).toBe('outdated');
      expect(await changed.state()).toBe('outdated');
      expect(await changed.install()).toBe('outdated');
      expect(await changed.state()).toBe('current');
      expect(await triggers()).toHaveLength(4);
      expect(definition.hash).not.toBe(changed.definition.hash);
      await run(`insert into ${table} (id) values ('1')`);
      await forget(database);
      await run(`update ${table} set note = 'now used'`);
      expect(await queue()).toHaveLength(1);
    });

    test('dropping leaves nothing behind, twice, and where the table is gone', async () => {
      const { table, source, definition, run, queue } = await watched();
      const generation = await createGeneration(database, uniqueName('collection'));
      await noteCompared(database, source, generation, await readEpoch(database, source));
      expect(await dropTriggers(database, definition.entity, { dryRun: true })).toBe(true);
      expect(await dropTriggers(database, definition.entity, KEEP)).toBe(true);
      expect(await dropTriggers(database, definition.entity, KEEP)).toBe(false);
      await run(`insert into ${table} (id) values ('1')`);
      expect(await queue()).toEqual([]);
      const left = await database.query(
        `select from pg_trigger where tgrelid = to_regclass($1)
        union all select from pg_proc where proname = $2 union all select from vecpipe.trigger_baselines where entity = $3`,
        [table, definition.functionName, definition.entity],
      );
      expect(left.rows).toEqual([]);

      const lost = await watched();
      await lost.run(`drop table ${lost.table}`);
      expect(await dropTriggers(database, lost.definition.entity, KEEP)).toBe(true);
      expect((await listTriggers(database)).map(({ entity }) => entity)).not.toContain(
        lost.definition.entity,
      );
    });

    test('two entities over one table each have their own', async () => {
      const { table, entity, run, queue } = await watched();
      const long = await watch(entity({ name: 'x'.repeat(64), payload: ['note'] }));
      await long.install();
      await run(`insert into ${table} (id) values ('1')`);
      await forget(database);
      await run(`update ${table} set note = 'used by one'`);
      expect(await queue()).toEqual([]);
      expect(await queued(database, 'x'.repeat(64))).toHaveLength(1);
      await dropTriggers(database, 'x'.repeat(64), KEEP);
      await run(`update ${table} set name = 'x'`);
      expect(await queue()).toHaveLength(1);
    });

    test('names and texts of any kind are quoted', async () => {
      const odd = `it's "odd" \\ $vecpipe$`;
      const column = quoteIdentifier(odd);
      await database.execute(
        `create table vp.${column} (${column} text primary key, "tg_op" text, "key" text)`,
      );
      const entity = tableEntity(odd, {
        name: 'odd',
        keyColumns: [odd],
        text: '{{ tg_op }}',
        payload: ['key', odd],
      });
      const { install } = await watch(entity, `t'\\$1`);
      await install();
      await database.execute(`insert into vp.${column} values ('it''s', 'x', 'y')`);
      expect(await queued(database, 'odd')).toMatchObject([{ tenant: `t'\\$1`, key: `it's` }]);
    });

    test('what cannot have triggers says why', async () => {
      const refused = async (entity: Entity, table: string) =>
        refuseTable(database, await openRowSource(database, entity, '1'), table);
      const { table, entity } = await createTable();
      expect(await refused(entity(), table)).toBeNull();
      expect(refuseEntity(entity({ relation: { kind: 'query', sql: 'select 1' } }))).toContain('query');
      expect(refuseEntity(entity({ record: [] }))).toContain('vecpipe itself');

      const view = uniqueName('view');
      await database.execute(`create view vp.${view} as select * from ${table}`);
      expect(await refused(tableEntity(view), `vp.${view}`)).toContain('is a view');
      const parts = uniqueName('parts');
      await database.execute(
        `create table vp.${parts} (id text, name text, body text, tag text) partition by list (id);
        create table vp.${parts}_a partition of vp.${parts} default`,
      );
      expect(await refused(tableEntity(parts), `vp.${parts}`)).toContain('is a partitioned table');
      expect(await refused(tableEntity(`${parts}_a`), `vp.${parts}_a`)).toContain('is a partition');
      await database.execute(`create table ${table}_child () inherits (${table})`);
      expect(await refused(entity(), table)).toContain('inherit');
      expect(await refused(tableEntity(`${table.slice(3)}_child`), `${table}_child`)).toContain('inherits');
      const numeric = await createTable('id text, name text, body text, tag text, tenant numeric');
      expect(await refused(numeric.entity({ tenantColumn: 'tenant' }), numeric.table)).toContain('numeric');
    });

    test('a column that is computed when it is read is refused', async ({ skip }) => {
      const { rows } = await database.query<{ version: number }>(
        `select current_setting('server_version_num')::int as version`,
      );
      if ((rows[0]?.version ?? 0) < 180_000) skip('virtual columns came with Postgres 18');
      const { table, entity } = await createTable(
        `id text, name text, body text, tag text generated always as (upper(name)) virtual`,
      );
      const source = await openRowSource(database, entity(), '1');
      expect(await refuseTable(database, source, table)).toContain('virtual column tag');
    });

    test('a role without any right on schema vecpipe writes to its table', async () => {
      const { table, queue } = await watched();
      const role = quoteIdentifier(`vecpipe_test_role_${randomBytes(4).toString('hex')}`);
      await database.execute(
        `create role ${role}; grant usage on schema vp to ${role}; grant all on ${table} to ${role}`,
      );
      try {
        const asRole = (work: (tx: Queryable) => Promise<void>) =>
          database.transaction(async (tx) => {
            await tx.execute(`set local role ${role}`);
            await work(tx);
          });
        await asRole(async (tx) => {
          await tx.execute(`insert into ${table} (id, name) values ('1', 'x'), ('2', 'x')`);
          await tx.execute(
            `update ${table} set name = 'y' where id = '1'; delete from ${table} where id = '2'`,
          );
        });
        expect((await queue()).map(({ key, operation }) => `${operation} ${key}`)).toEqual([
          'upsert 1',
          'delete 2',
        ]);
        await expect(asRole((tx) => tx.execute('select from vecpipe.queue'))).rejects.toThrow(
          /permission denied/,
        );
      } finally {
        await database.execute(`drop owned by ${role}; drop role ${role}`);
      }
    });

    test('a role that may not make triggers is told so', async () => {
      const { entity, table } = await createTable();
      const { definition } = await watch(entity());
      const role = quoteIdentifier(`vecpipe_test_role_${randomBytes(4).toString('hex')}`);
      await database.execute(
        `create role ${role}; grant usage on schema vp to ${role}; grant select on ${table} to ${role};
        grant all on schema vecpipe to ${role}; grant all on all tables in schema vecpipe to ${role}`,
      );
      try {
        const asRole: Database = Object.create(database, {
          transaction: {
            value: (work: (tx: Queryable) => Promise<unknown>) =>
              database.transaction(async (tx) => {
                await tx.execute(`set local role ${role}`);
                return work(tx);
              }),
          },
        }) as Database;
        await expect(installTriggers(asRole, definition, KEEP)).rejects.toMatchObject({
          family: 'usage',
          code: 'triggers_forbidden',
        });
        expect(await readTriggerState(database, definition)).toBe('absent');
      } finally {
        await database.execute(`drop owned by ${role}; drop role ${role}`);
      }
    });
  });
}

interface Queued {
  tenant: string;
  key: string;
  operation: string;
  version: number;
  hash: string | null;
}

async function queued(database: Queryable, entity: string): Promise<Queued[]> {
  const { rows } = await database.query<Queued>(
    `select tenant, key, operation, version, encode(row_hash, 'hex') as hash from vecpipe.queue
    where entity = $1 and building = 0 order by tenant, key`,
    [entity],
  );
  return rows;
}

async function forget(database: Queryable): Promise<void> {
  await database.execute('delete from vecpipe.queue');
}
