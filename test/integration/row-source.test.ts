import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { quoteIdentifier } from '../../src/db/quote.ts';
import type { Entity } from '../../src/entities/entity.ts';
import type { Database } from '../../src/ports/database.ts';
import { queueDifference } from '../../src/sources/rows/difference.ts';
import { loadRows } from '../../src/sources/rows/load-rows.ts';
import type { LoadedRow } from '../../src/sources/rows/load-rows.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant, TestDatabase } from '../helpers/databases.ts';
import { queueOf, tableEntity, uniqueName } from '../helpers/pipeline.ts';

/** Defaults of a database that change how values are written, and must not. */
const HOSTILE_SETTINGS = [
  `timezone = 'Asia/Kathmandu'`,
  `datestyle = 'German, DMY'`,
  `intervalstyle = 'postgres_verbose'`,
  `extra_float_digits = -3`,
  `bytea_output = 'escape'`,
];

const usage = (code: string, text: RegExp | string) =>
  expect.objectContaining({
    name: 'VecpipeError',
    family: 'usage',
    code,
    message: text instanceof RegExp ? expect.stringMatching(text) : expect.stringContaining(text),
  });

for (const variant of availableDatabases()) describeRowSource(variant);

function describeRowSource(variant: DatabaseVariant): void {
  describe(`rows on ${variant.name}`, () => {
    let testDatabase: TestDatabase;
    let database: Database;

    beforeAll(async () => {
      testDatabase = await variant.create();
      {
        await using setup = await testDatabase.open({ maxConnections: 1 });
        const { rows } = await setup.query<{ name: string }>('select current_database() as name');
        for (const setting of HOSTILE_SETTINGS) {
          await setup.execute(`alter database ${quoteIdentifier(rows[0]?.name ?? '')} set ${setting}`);
        }
        await migrate(setup);
        await setup.execute('create schema vp');
      }
      database = await testDatabase.open();
    });
    afterAll(async () => {
      await database?.[Symbol.asyncDispose]();
      await testDatabase?.[Symbol.asyncDispose]();
    });

    /** A table of its own with the columns given. */
    async function tableOf(columns: string, ...rows: readonly string[]): Promise<string> {
      const name = uniqueName();
      await database.execute(`create table vp.${name} (${columns})`);
      if (rows.length > 0) await database.execute(`insert into vp.${name} values ${rows.join(', ')}`);
      return name;
    }

    /** The keys as a comparison finds them, and each row as it is found again by its key. */
    async function keysAndRows(
      entity: Entity,
      tenant = uniqueName('tenant'),
    ): Promise<{ keys: string[]; rows: LoadedRow[] }> {
      const source = await openRowSource(database, entity, tenant);
      await queueDifference(database, source, null, { deleteAll: false });
      const keys = (await queueOf(database, tenant, entity.name)).map(({ key }) => key);
      return { keys, rows: await loadRows(database, source, null, keys) };
    }

    function names(rows: readonly LoadedRow[]): unknown[] {
      return rows.map((row) => row.values?.['name']);
    }

    const simple = (changes: Partial<Entity>): Entity =>
      tableEntity('', { text: '{{ name }}', payload: [], ...changes });
    const query = (sql: string): Partial<Entity> => ({ relation: { kind: 'query', sql } });
    const table = (name: string, schema: string | null = 'vp'): Partial<Entity> => ({
      relation: { kind: 'table', schema, name },
    });

    describe('a relation', () => {
      test('may be a table whose schema, name and columns need quotes', async () => {
        await database.execute(`
          create schema "My ""own"" Schema";
          create table "My ""own"" Schema"."Some Rows" ("The Id" text primary key, "The ""Name""" text, "Tag;--" text);
          insert into "My ""own"" Schema"."Some Rows" values ('a', 'first', 'x')`);
        const entity = simple({
          relation: { kind: 'table', schema: 'My "own" Schema', name: 'Some Rows' },
          keyColumns: ['The Id'],
          text: `{{ ['The "Name"'] }}`,
          payload: ['Tag;--'],
        });
        const { keys, rows } = await keysAndRows(entity);
        expect(keys).toEqual(['a']);
        expect(rows[0]?.values).toEqual({ 'The "Name"': 'first', 'Tag;--': 'x' });
      });

      test('may be a table that the search path finds', async () => {
        const name = uniqueName();
        await database.execute(
          `create table ${name} (id int, name text); insert into ${name} values (1, 'x')`,
        );
        expect((await keysAndRows(simple(table(name, null)))).keys).toEqual(['1']);
      });

      test('may be a view', async () => {
        const name = await tableOf('id int, first text, last text', `(1, 'Ada', 'Lovelace')`);
        await database.execute(
          `create view vp.${name}_view as select id, first || ' ' || last as name from vp.${name}`,
        );
        expect(names((await keysAndRows(simple(table(`${name}_view`)))).rows)).toEqual(['Ada Lovelace']);
      });

      test('may be a query that ends in a comment, with CTE, order and limit', async () => {
        const name = await tableOf('id int, name text', `(1, 'a')`, `(2, 'b')`, `(3, 'c')`);
        const sql = `with few as (select * from vp.${name})\nselect * from few order by id desc limit 2 -- the last ones`;
        expect((await keysAndRows(simple(query(sql)))).keys).toEqual(['2', '3']);
      });

      test('may have columns that nobody asks for, of any type', async () => {
        const name = await tableOf('id int, name text, place point, data json', `(1, 'a', '(1,2)', '{}')`);
        expect((await keysAndRows(simple(table(name)))).rows[0]?.values).toEqual({ name: 'a' });
      });

      test('may be read by a text that uses none of its columns', async () => {
        const name = await tableOf('id int', '(1)');
        const { rows } = await keysAndRows(simple({ ...table(name), text: 'always the same' }));
        expect(rows).toEqual([expect.objectContaining({ values: {}, duplicate: false })]);
      });
    });

    describe('a config that does not fit', () => {
      const open = (changes: Partial<Entity>, tenant = '1') =>
        openRowSource(database, simple(changes), tenant);

      test('a table that is missing', async () => {
        await expect(open(table('nowhere'))).rejects.toEqual(
          usage('relation_missing', /^table vp\.nowhere \(entities\.items\) does not exist/),
        );
        await expect(open(table('items', 'noschema'))).rejects.toEqual(
          usage('relation_missing', 'noschema.items'),
        );
      });

      test('a query that Postgres refuses', async () => {
        for (const sql of ['select nothing from nowhere', 'select 1 +', 'select * from vp.nowhere where (']) {
          await expect(open(query(sql))).rejects.toEqual(
            usage('query_refused', /^the query of entities\.items is refused: /),
          );
        }
      });

      test('a table that is none', async () => {
        const name = await tableOf('id int primary key');
        await expect(open(table(`${name}_pkey`))).rejects.toEqual(
          usage('relation_refused', /^table vp\.\w+_pkey \(entities\.items\) cannot be read: ./),
        );
      });

      test.each<[string, Partial<Entity>, string]>([
        ['key', { keyColumns: ['id', 'nmae'] }, 'nmae'],
        ['tenant', { tenantColumn: 'nmae' }, 'nmae'],
        ['label', { labelColumn: 'nmae' }, 'nmae'],
        ['payload', { payload: ['id', 'nmae'] }, 'nmae'],
        ['text', { text: '{{ id }}{{ nmae }}' }, 'nmae'],
      ])('a column that is missing: %s', async (setting, changes, column) => {
        const name = await tableOf('id int, name text, name2 text');
        const error = usage(
          'column_missing',
          `has no column ${column}, which entities.items.${setting} names`,
        );
        await expect(open({ ...table(name), ...changes })).rejects.toEqual(error);
        await expect(open({ ...table(name), ...changes })).rejects.toMatchObject({
          hint: 'did you mean name?',
        });
      });

      test('a column that resembles none', async () => {
        const name = await tableOf('id int, name text');
        await expect(open({ ...table(name), payload: ['completely_other'] })).rejects.toMatchObject({
          hint: 'its columns are id, name',
        });
      });

      test('a query with two columns of one name', async () => {
        await expect(open(query(`select 1 as id, 'a' as name, 'b' as name`))).rejects.toEqual(
          usage('column_ambiguous', 'gives two columns named name'),
        );
      });

      test('a template that is wrong', async () => {
        await expect(open({ text: '{{ name' })).rejects.toEqual(
          usage('template_invalid', /^entities\.items\.text: .*not closed/),
        );
      });

      test.each([
        ['integer', 'abc'],
        ['integer', '01'],
        ['integer', '99999999999'],
        ['uuid', '7'],
        ['boolean', '1'],
      ])('a tenant that no %s column holds: %s', async (type, tenant) => {
        const name = await tableOf(`id int, name text, owner ${type}`);
        await expect(open({ ...table(name), tenantColumn: 'owner' }, tenant)).rejects.toEqual(
          usage('tenant_type', `tenant ${tenant} is not a value of column owner (${type})`),
        );
      });
    });

    describe('the tenant', () => {
      test.each([
        ['integer', '7', '8'],
        ['bigint', '9007199254740993', '9007199254740992'],
        ['text', 'acme', 'ACME'],
        ['varchar(20)', 'acme', 'acme '],
        ['char(8)', 'acme', 'acm'],
        ['uuid', '3f333df6-90a4-4fda-8dd3-9485d27cee36', '3f333df6-90a4-4fda-8dd3-9485d27cee37'],
      ])('of type %s chooses its own rows', async (type, own, other) => {
        const name = await tableOf(
          `id int, name text, owner ${type}`,
          `(1, 'own', '${own}')`,
          `(1, 'other', '${other}')`,
          `(2, 'nobody', null)`,
        );
        const { keys, rows } = await keysAndRows(simple({ ...table(name), tenantColumn: 'owner' }), own);
        expect(keys).toEqual(['1']);
        expect(rows).toEqual([expect.objectContaining({ values: { name: 'own' }, duplicate: false })]);
      });

      test('without a column has every row', async () => {
        const name = await tableOf('id int, name text', `(1, 'a')`, `(2, 'b')`);
        expect((await keysAndRows(simple(table(name)))).keys).toEqual(['1', '2']);
      });
    });

    describe('a key', () => {
      test.each<[string, string, string[], string[]]>([
        ['integer', 'id integer', [`(-5, 'a')`, `(2147483647, 'b')`], ['-5', '2147483647']],
        [
          'bigint beyond 2^53',
          'id bigint',
          [`(9007199254740992, 'a')`, `(9007199254740993, 'b')`],
          ['9007199254740992', '9007199254740993'],
        ],
        [
          'uuid',
          'id uuid',
          [`('3F333DF6-90A4-4FDA-8DD3-9485D27CEE36', 'a')`],
          ['3f333df6-90a4-4fda-8dd3-9485d27cee36'],
        ],
        [
          'text with everything in it',
          'id text',
          [`('', 'a')`, `('/~1 ~0', 'b')`, `('NULL', 'c')`, `('{"a",b}\\', 'd')`, `('😀 é', 'e')`],
          ['', '/~1 ~0', 'NULL', '{"a",b}\\', '😀 é'],
        ],
        ['char(n)', 'id char(6)', [`('ab', 'a')`, `('abc', 'b')`], ['ab', 'abc']],
        [
          'timestamptz',
          'id timestamptz',
          [`('2024-03-01 12:00:00.123456+05:45', 'a')`, `('0044-03-15 12:00+00 BC', 'b')`],
          ['0044-03-15 12:00:00+00 BC', '2024-03-01 06:15:00.123456+00'],
        ],
        ['date', 'id date', [`('2024-03-01', 'a')`], ['2024-03-01']],
        [
          'numeric',
          'id numeric',
          [`('1.10', 'a')`, `('12345678901234567890.5', 'b')`],
          ['1.10', '12345678901234567890.5'],
        ],
        [
          'float',
          'id float8',
          [`('0.1', 'a')`, `('0.30000000000000004', 'b')`],
          ['0.1', '0.30000000000000004'],
        ],
        ['boolean', 'id boolean', [`(false, 'a')`, `(true, 'b')`], ['false', 'true']],
        ['bytea', 'id bytea', [`('\\x00ff', 'a')`], ['\\x00ff']],
      ])('may be %s', async (_name, column, values, keys) => {
        const name = await tableOf(`${column}, name text`, ...values);
        const found = await keysAndRows(simple(table(name)));
        expect(found.keys).toEqual(keys);
        expect(new Set(names(found.rows))).toEqual(new Set(['a', 'b', 'c', 'd', 'e'].slice(0, keys.length)));
        expect(found.rows.every((row) => !row.duplicate && row.rowHash !== null)).toBe(true);
      });

      test('may be made of several columns, whose texts stay apart', async () => {
        const name = await tableOf(
          'area text, id integer, name text',
          `('a/b', 1, 'first')`,
          `('a~1b', 1, 'second')`,
          `('', -1, 'third')`,
        );
        const found = await keysAndRows(simple({ ...table(name), keyColumns: ['area', 'id'] }));
        expect(found.keys).toEqual(['/-1', 'a~01b/1', 'a~1b/1']);
        expect(names(found.rows)).toEqual(['third', 'second', 'first']);
      });

      test('may be of a type in another schema, an enum for instance', async () => {
        await database.execute(`create type vp."Level" as enum ('low', 'high')`);
        const name = await tableOf('id vp."Level", name text', `('high', 'a')`, `('low', 'b')`);
        const found = await keysAndRows(simple(table(name)));
        expect([found.keys, names(found.rows)]).toEqual([
          ['high', 'low'],
          ['a', 'b'],
        ]);
      });

      test('may be of a domain, and of a column with a collation of its own', async () => {
        await database.execute(`create domain vp.code as varchar(10) check (value <> '')`);
        const name = await tableOf(
          'id vp.code, part text collate "POSIX", other text collate "C", name text',
          `('a', 'p', 'q', 'x')`,
        );
        const found = await keysAndRows(simple({ ...table(name), keyColumns: ['id', 'part', 'other'] }));
        expect([found.keys, names(found.rows)]).toEqual([['a/p/q'], ['x']]);
      });

      test('finds its own row only, not one whose key is equal but written otherwise', async () => {
        const name = await tableOf('id numeric, name text', `('1.50', 'a')`);
        const source = await openRowSource(database, simple(table(name)), '1');
        const rows = await loadRows(database, source, null, ['1.5', '1.50', '01.50']);
        expect(rows.map((row) => row.values)).toEqual([null, { name: 'a' }, null]);
      });

      test('that does not fit the type of the column is that of no row, and the others are found all the same', async () => {
        const name = await tableOf('id integer, name text', `(1, 'a')`);
        const source = await openRowSource(database, simple(table(name)), '1');
        const rows = await loadRows(database, source, null, ['old', '1', '99999999999', '1.0']);
        expect(rows.map((row) => row.values)).toEqual([null, { name: 'a' }, null, null]);
      });

      test('with another number of parts finds no row', async () => {
        const name = await tableOf('a text, b text, name text', `('x', 'y', 'n')`);
        const source = await openRowSource(database, simple({ ...table(name), keyColumns: ['a', 'b'] }), '1');
        const rows = await loadRows(database, source, null, ['x/y', 'x', 'x/y/z']);
        expect(rows.map((row) => row.values)).toEqual([{ name: 'n' }, null, null]);
      });

      test('that several rows have is told', async () => {
        const name = await tableOf('id int, name text', `(1, 'a')`, `(1, 'b')`, `(2, 'c')`);
        const source = await openRowSource(database, simple(table(name)), '1');
        const rows = await loadRows(database, source, null, ['2', '1', '3']);
        expect(rows.map((row) => row.duplicate)).toEqual([false, true, false]);
      });

      test('is answered in the order asked, none of none', async () => {
        const name = await tableOf('id int, name text', `(1, 'a')`, `(2, 'b')`);
        const source = await openRowSource(database, simple(table(name)), '1');
        expect((await loadRows(database, source, null, ['2', '3', '1'])).map(({ key }) => key)).toEqual([
          '2',
          '3',
          '1',
        ]);
        expect(await loadRows(database, source, null, [])).toEqual([]);
      });
    });

    describe('a source that turns out not to be readable', () => {
      test.each([
        ['a division by zero', 'select id, 1 / (id - 1) as name'],
        ['a cast', `select id, ('x' || id)::int as name`],
        [
          'a subquery with several rows',
          'select id, (select a from generate_series(1, 2) a where a > id - 1) as name',
        ],
      ])('by %s is an error of the config', async (_name, select) => {
        const name = await tableOf('id int', '(1)');
        const entity = simple(query(`${select} from vp.${name}`));
        const source = await openRowSource(database, entity, '1');
        const error = usage('rows_unreadable', /^the rows of the query of entities\.items cannot be read: /);
        await expect(queueDifference(database, source, null, { deleteAll: false })).rejects.toEqual(error);
        await expect(loadRows(database, source, null, ['1'])).rejects.toEqual(error);
      });

      test('by a table that was dropped meanwhile, too', async () => {
        const name = await tableOf('id int, name text');
        const source = await openRowSource(database, simple(table(name)), '1');
        await database.execute(`drop table vp.${name}`);
        const error = usage('rows_unreadable', `table vp.${name}`);
        await expect(queueDifference(database, source, null, { deleteAll: false })).rejects.toEqual(error);
        await expect(loadRows(database, source, null, ['1'])).rejects.toEqual(error);
      });

      test('by a key that cannot be compared, too', async () => {
        const name = await tableOf('id json, name text', `('{}', 'a')`);
        const source = await openRowSource(database, simple(table(name)), '1');
        await expect(loadRows(database, source, null, ['{}'])).rejects.toEqual(
          usage('rows_unreadable', 'json'),
        );
      });
    });

    /** What the row `select <sql> as v` renders to, and its value. */
    async function valueOf(sql: string, text = '{{ v }}'): Promise<{ text: string; value: unknown }> {
      const source = await openRowSource(
        database,
        simple({ ...query(`select 1 as id, ${sql} as v`), text, payload: ['v'] }),
        '1',
      );
      const [row] = await loadRows(database, source, null, ['1']);
      if (!row?.values) throw new Error('the row was not found');
      return { text: source.template.render(row.values), value: row.values['v'] };
    }

    describe('a value', () => {
      test.each<[string, string, unknown, string]>([
        ['null', 'null::text', null, ''],
        ['text', `'a "b" \\ <c> 😀'::text`, 'a "b" \\ <c> 😀', 'a "b" \\ <c> 😀'],
        ['bool', 'true', true, 'true'],
        ['int4', '-7', -7, '-7'],
        ['a small bigint', '42::bigint', 42, '42'],
        ['the largest exact bigint', '9007199254740991::bigint', 9007199254740991, '9007199254740991'],
        ['a bigint beyond 2^53', '9007199254740993::bigint', '9007199254740993', '9007199254740993'],
        [
          'the least bigint',
          `'-9223372036854775808'::bigint`,
          '-9223372036854775808',
          '-9223372036854775808',
        ],
        ['a whole numeric', '5::numeric', 5, '5'],
        ['a numeric with a fraction', '1.25::numeric', 1.25, '1.25'],
        ['a numeric with zeros at its end', '1.50::numeric', '1.50', '1.50'],
        [
          'a numeric with many digits',
          '0.10000000000000000001::numeric',
          '0.10000000000000000001',
          '0.10000000000000000001',
        ],
        [
          'a huge numeric',
          '123456789012345678901234567890::numeric',
          '123456789012345678901234567890',
          '123456789012345678901234567890',
        ],
        ['a numeric that is none', `'NaN'::numeric`, 'NaN', 'NaN'],
        ['a float', '0.1::float8 + 0.2::float8', 0.30000000000000004, '0.30000000000000004'],
        ['a float that is none', `'NaN'::float8`, 'NaN', 'NaN'],
        ['a real', '0.1::float4', 0.1, '0.1'],
        ['date', `'2024-02-29'::date`, '2024-02-29', '2024-02-29'],
        ['timestamp', `'2024-02-29 23:59:59.5'::timestamp`, '2024-02-29T23:59:59.5', '2024-02-29T23:59:59.5'],
        [
          'timestamptz',
          `'2024-02-29 23:59:59+05:45'::timestamptz`,
          '2024-02-29T18:14:59+00:00',
          '2024-02-29T18:14:59+00:00',
        ],
        ['interval', `'1 day 2 hours'::interval`, 'P1DT2H', 'P1DT2H'],
        [
          'uuid',
          `'3F333DF6-90A4-4FDA-8DD3-9485D27CEE36'::uuid`,
          '3f333df6-90a4-4fda-8dd3-9485d27cee36',
          '3f333df6-90a4-4fda-8dd3-9485d27cee36',
        ],
        ['bytea', `'\\x00ff'::bytea`, '\\x00ff', '\\x00ff'],
        ['a list of text', `array['a', null, 'b "c"']`, ['a', null, 'b "c"'], 'a, , b "c"'],
        ['a list of int4', 'array[1, 2]', [1, 2], '1, 2'],
        [
          'a list of bigint',
          'array[1, 9007199254740993, null]::bigint[]',
          [1, '9007199254740993', null],
          '1, 9007199254740993,',
        ],
        ['a list of numeric', `array[1, 1.50]::numeric[]`, [1, '1.50'], '1, 1.50'],
        [
          'lists of bigint',
          'array[[1, 2], [3, 9007199254740993]]::bigint[]',
          [
            [1, 2],
            [3, '9007199254740993'],
          ],
          '1, 2, 3, 9007199254740993',
        ],
        ['an empty list', `'{}'::bigint[]`, [], ''],
        ['a domain over bigint', '9007199254740993::vp.big', '9007199254740993', '9007199254740993'],
      ])('of type %s', async (_name, sql, value, text) => {
        await database.execute(
          `do $$ begin create domain vp.big as bigint; exception when duplicate_object then null; end $$`,
        );
        expect(await valueOf(sql)).toEqual({ value, text });
      });

      test.each(['json', 'jsonb'])('of type %s can be walked through and written as JSON', async (type) => {
        const sql = `'{"a": {"b": [1, null, true, "x"]}, "n": 1.5}'::${type}`;
        expect((await valueOf(sql, '{{ v.a.b[3] }} {{ v.n }} {{ v.none }}')).text).toBe('x 1.5');
        expect((await valueOf(sql, '{{ v.a | json }}')).text).toBe('{"b":[1,null,true,"x"]}');
        expect((await valueOf(sql, '{{ v.n }}')).value).toEqual({ a: { b: [1, null, true, 'x'] }, n: 1.5 });
      });

      test('of a composite type can be walked through', async () => {
        await database.execute(`create type vp.place as (city text, zip int)`);
        expect((await valueOf(`row('Bern', 3000)::vp.place`, '{{ v.city }} {{ v.zip }}')).text).toBe(
          'Bern 3000',
        );
      });
    });

    describe('a json value', () => {
      test('keeps whole numbers that a double does not hold', async () => {
        const sql = `'{"id": 9007199254740993, "ids": [-9223372036854775808, 7], "text": "9007199254740993"}'::jsonb`;
        expect((await valueOf(sql, '{{ v.id }} {{ v.ids }} {{ v.text }}')).text).toBe(
          '9007199254740993 -9223372036854775808, 7 9007199254740993',
        );
      });

      test('may hold an escaped NUL', async () => {
        const { text } = await valueOf(
          `'{"a": "\\u0000x", "n": 1234567890123456}'::json`,
          '{{ v.a | size }} {{ v.n }}',
        );
        expect(text).toBe('2 1234567890123456');
      });
    });

    describe('the row hash', () => {
      async function hashOf(sql: string, changes: Partial<Entity> = {}): Promise<string | null | undefined> {
        const source = await openRowSource(
          database,
          simple({ ...query(`select 1 as id, ${sql}`), text: '{{ a }}', payload: ['b'], ...changes }),
          '1',
        );
        return (await loadRows(database, source, null, ['1']))[0]?.rowHash;
      }

      test('is the same on every database and never changes', async () => {
        expect(await hashOf(`'text'::text as a, null::text as b`)).toBe('5f58c893b071b4aa38c168727d77b943');
        expect(
          await hashOf(
            `'2024-02-29 23:59:59+05:45'::timestamptz as a,
             row(0.1::float8 + 0.2, interval '1 day 2 hours', '\\x00ff'::bytea, 1.50::numeric, true, '1.5'::money)::text as b`,
          ),
        ).toBe('36841f7d180a2fe6c2ba4db232e23121');
      });

      test('tells null from an empty text, and one column from another', async () => {
        const hashes = await Promise.all([
          hashOf(`null::text as a, null::text as b`),
          hashOf(`'' as a, null::text as b`),
          hashOf(`null::text as a, '' as b`),
          hashOf(`'' as a, '' as b`),
          hashOf(`',' as a, '' as b`),
          hashOf(`'' as a, ',' as b`),
          hashOf(`'"' as a, '"' as b`),
        ]);
        expect(new Set(hashes).size).toBe(hashes.length);
      });

      test('counts the columns of text, payload and label, and no others', async () => {
        const before = await hashOf(`1 as a, 2 as b, 3 as c`);
        expect(await hashOf(`1 as a, 2 as b, 4 as c`)).toBe(before);
        expect(await hashOf(`1 as a, 3 as b, 3 as c`)).not.toBe(before);
        const label = { labelColumn: 'c' };
        expect(await hashOf(`1 as a, 2 as b, 4 as c`, label)).not.toBe(
          await hashOf(`1 as a, 2 as b, 3 as c`, label),
        );
      });
    });
  });
}
