import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { DatabaseError, type BoundValue, type Database, type Queryable } from '../../src/ports/database.ts';

/** Hard on every way of quoting: quotes, commas, braces, backslashes, white space, null's name, astral characters. */
const AWKWARD_TEXTS = [
  '',
  ' ',
  'NULL',
  'null',
  'it\'s "quoted"',
  'a,b;c',
  '{1,2}',
  '{}',
  'back\\slash \\" \\\\',
  'line\nbreak\r\n\ttab',
  '日本語 é',
  '🙂 👩‍👩‍👧',
  '$1 %s :name',
  '\u0001\u007F',
];

/** What a value is read as, by the SQL that makes it. */
const READ_VALUES: [sql: string, expected: unknown][] = [
  ['null::int', null],
  ['null::text[]', null],
  ['true', true],
  ['false', false],
  ['(-7)::smallint', -7],
  ['2147483647::int', 2147483647],
  ['9007199254740991::bigint', Number.MAX_SAFE_INTEGER],
  ['(-9007199254740991)::bigint', Number.MIN_SAFE_INTEGER],
  ['9223372036854775807::bigint', 2 ** 63],
  ['count(*)', 1],
  ['4294967295::oid', 4294967295],
  ['0.1::float4', 0.1],
  ['0.1::float8', 0.1],
  ["'NaN'::float8", Number.NaN],
  ["'-Infinity'::float8", Number.NEGATIVE_INFINITY],
  ['12345678901234567890.0100::numeric', '12345678901234567890.0100'],
  ["'text'::text", 'text'],
  ["'text'::varchar(10)", 'text'],
  ["'x'::char(3)", 'x  '],
  ["'name'::name", 'name'],
  ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['\'{"a": [1, null, "x"]}\'::json', { a: [1, null, 'x'] }],
  ['\'{"a": {"b": true}}\'::jsonb', { a: { b: true } }],
  ["'null'::jsonb", null],
  ['\'"text"\'::jsonb', 'text'],
  ["'2026-02-28 23:59:59.123456+05:30'::timestamptz", new Date('2026-02-28T18:29:59.123Z')],
  ["'0001-01-01 00:00:00+00'::timestamptz", new Date('0001-01-01T00:00:00Z')],
  ["'0044-03-15 12:00:00+00 BC'::timestamptz", new Date('-000043-03-15T12:00:00Z')],
  ["'12026-01-01 00:00:00+00'::timestamptz", new Date('+012026-01-01T00:00:00Z')],
  ["'infinity'::timestamptz", new Date(8.64e15)],
  ["'-infinity'::timestamptz", new Date(-8.64e15)],
  ["'2026-02-28'::date", '2026-02-28'],
  ["'2026-02-28 23:59:59.5'::timestamp", '2026-02-28 23:59:59.5'],
  ["'23:59:59.5'::time", '23:59:59.5'],
  ["'1 day 02:03:04'::interval", 'P1DT2H3M4S'],
  ["'\\xdeadbeef'::bytea", '\\xdeadbeef'],
  ["'happy'::mood", 'happy'],
  ["array['a', null, 'NULL', '']", ['a', null, 'NULL', '']],
  ["array['a', 'b']::varchar[]", ['a', 'b']],
  ['array[1, null, 9007199254740991]::bigint[]', [1, null, Number.MAX_SAFE_INTEGER]],
  ['array[1, 2]::int[]', [1, 2]],
  [
    'array[[1, 2], [3, null]]',
    [
      [1, 2],
      [3, null],
    ],
  ],
  ["'[0:1]={5,6}'::int[]", [5, 6]],
  ["'{}'::text[]", []],
  ['array[true, false, null]', [true, false, null]],
  ['array[1.5, null]::float8[]', [1.5, null]],
  ['array[1.50]::numeric[]', ['1.50']],
  ["array['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']::uuid[]", ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
  ["array['2026-01-01 00:00:00+00']::timestamptz[]", [new Date('2026-01-01T00:00:00Z')]],
  ['array[\'{"a,b": "}"}\', null]::jsonb[]', [{ 'a,b': '}' }, null]],
  // Types that came after the connection are not known to any driver.
  ["array['happy', null]::mood[]", '{happy,NULL}'],
  ["array['2026-02-28']::date[]", ['2026-02-28']],
];

/** A value, the type that it is bound as, and what comes back. */
const BOUND_VALUES: [value: BoundValue, type: string, expected: unknown][] = [
  [null, 'text', null],
  [null, 'int[]', null],
  [true, 'boolean', true],
  [false, 'boolean', false],
  [7, 'int', 7],
  [Number.MAX_SAFE_INTEGER, 'bigint', Number.MAX_SAFE_INTEGER],
  [1e21, 'float8', 1e21],
  [1e-7, 'float8', 1e-7],
  [Number.NaN, 'float8', Number.NaN],
  [Number.POSITIVE_INFINITY, 'float8', Number.POSITIVE_INFINITY],
  ['12.30', 'numeric', '12.30'],
  ['7', 'int', 7],
  ['true', 'boolean', true],
  ['{"a":"\\u00e9"}', 'jsonb', { a: 'é' }],
  ['"text"', 'jsonb', 'text'],
  ['happy', 'mood', 'happy'],
  ['2026-01-01T00:00:00.000Z', 'timestamptz', new Date('2026-01-01T00:00:00Z')],
  ['\\xdead', 'bytea', '\\xdead'],
  [[], 'text[]', []],
  [[], 'bigint[]', []],
  [[null], 'text[]', [null]],
  [AWKWARD_TEXTS, 'text[]', AWKWARD_TEXTS],
  [[1, null, Number.MAX_SAFE_INTEGER], 'bigint[]', [1, null, Number.MAX_SAFE_INTEGER]],
  [[true, false, null], 'boolean[]', [true, false, null]],
  [[0.1, -1e300, Number.NaN, null], 'float8[]', [0.1, -1e300, Number.NaN, null]],
  [['happy', 'sad'], 'mood[]', '{happy,sad}'],
  [['2026-01-01T00:00:00Z', null], 'timestamptz[]', [new Date('2026-01-01T00:00:00Z'), null]],
  [['{"a":1}', null], 'jsonb[]', [{ a: 1 }, null]],
  [['\\xdead', '\\x'], 'bytea[]', ['\\xdead', '\\x']],
];

/** A statement that Postgres refuses, with a secret in it that no message may repeat. */
const REFUSED: [sqlState: string, sql: string, values?: BoundValue[]][] = [
  ['23505', `insert into shelf values (1, 'sesame')`],
  ['23514', `insert into shelf values (-1, 'sesame')`],
  ['23502', `insert into shelf values (2, null), (3, 'sesame')`],
  ['22P02', 'select $1::int', ['sesame']],
  ['22P02', 'select $1::int[]', ['sesame']],
  ['22P02', 'select $1::mood', ['sesame']],
  ['22P02', 'select $1::uuid', ['sesame']],
  ['22P02', 'select $1::jsonb', ['{"sesame": sesame}']],
  ['22007', 'select $1::date', ['sesame']],
  ['22003', `select 'sesame', $1::int`, ['99999999999']],
  ['22001', `insert into shelf values (4, $1)`, ['sesame'.repeat(10)]],
  ['22012', `select 'sesame', 1 / 0`],
  ['2201B', 'select 1 where $1 ~ $2', ['sesame', 'sesame(']],
  ['P0001', `select complain('sesame')`],
  ['23514', `select complain('sesame', '23514')`],
  ['42P01', 'select * from missing where name = $1', ['sesame']],
  ['42601', `select 'sesame' from from`],
];

/**
 * What every adapter of the `Database` port has to do. `open` gives a connection to a database that the suite may
 * fill; the suite disposes what it opens.
 */
export function describeDatabase(name: string, open: () => Promise<Database>): void {
  describe(`a database on ${name}`, () => {
    let database: Database;

    beforeAll(async () => {
      database = await open();
      await database.execute(`
        create type mood as enum ('happy', 'sad');
        create table shelf (id int primary key check (id > 0), name varchar(20) not null);
        create function complain(text, state text default 'P0001') returns void language plpgsql as
          $$ begin raise exception 'the row % is bad', $1 using errcode = state; end $$;
      `);
    });
    afterAll(async () => database[Symbol.asyncDispose]());
    beforeEach(async () => database.execute(`truncate shelf; insert into shelf values (1, 'first')`));

    const names = async (target: Queryable = database) =>
      (await target.query<{ name: string }>('select name from shelf order by id')).rows.map(
        (row) => row.name,
      );

    describe('values', () => {
      test.each(READ_VALUES)('%s', async (sql, expected) => {
        const { rows } = await database.query<{ value: unknown }>(`select ${sql} as value`);
        expect(rows).toEqual([{ value: expected }]);
      });

      test.each(BOUND_VALUES)('%j bound as %s', async (value, type, expected) => {
        const { rows } = await database.query<{ value: unknown }>(`select $1::${type} as value`, [value]);
        expect(rows).toEqual([{ value: expected }]);
      });

      test.each(AWKWARD_TEXTS)('%j as text', async (text) => {
        const { rows } = await database.query('select $1::text as value, length($1::text)::int as length', [
          text,
        ]);
        expect(rows).toEqual([{ value: text, length: Array.from(text).length }]);
      });

      test('arrays are unnested side by side', async () => {
        const { rows } = await database.query(
          'select * from unnest($1::bigint[], $2::text[], $3::boolean[]) as t (id, name, isGood)',
          [
            [1, 2],
            ['a,"b"', null],
            [true, null],
          ],
        );
        expect(rows).toEqual([
          { id: 1, name: 'a,"b"', isgood: true },
          { id: 2, name: null, isgood: null },
        ]);
      });

      test('ten thousand values in one array', async () => {
        const texts = Array.from({ length: 10_000 }, (_, index) => `value ${index} "${index}"`);
        const { rows } = await database.query<{ value: string[] }>('select $1::text[] as value', [texts]);
        expect(rows[0]?.value).toEqual(texts);
      });

      test('the text of a row is written in one way', async () => {
        const { rows } = await database.query(
          `select row('2026-01-02 03:04:05.6+00'::timestamptz, '2026-01-02'::date, '1 day 2 hours'::interval,
                      0.1::float8, 1e-7::float4, '\\xff'::bytea, true, '12.50'::money)::text as value`,
        );
        expect(rows).toEqual([
          { value: '("2026-01-02 03:04:05.6+00",2026-01-02,P1DT2H,0.1,1e-07,"\\\\xff",t,$12.50)' },
        ]);
      });
    });

    describe('results', () => {
      test('name their columns and types, also without rows', async () => {
        const { rows, columns } = await database.query('select id, name as "Name" from shelf where false');
        expect({ rows, columns }).toEqual({
          rows: [],
          columns: [
            { name: 'id', typeId: 23 },
            { name: 'Name', typeId: 1043 },
          ],
        });
      });

      test('count the rows that were changed', async () => {
        const changed = async (sql: string) => (await database.query(sql)).changed;
        expect(await changed(`insert into shelf values (2, 'b'), (3, 'c')`)).toBe(2);
        expect(await changed(`insert into shelf values (3, 'c'), (4, 'd') on conflict do nothing`)).toBe(1);
        expect(await changed(`update shelf set name = 'x' where id > 1 returning id`)).toBe(3);
        expect(await changed('delete from shelf where id = 9')).toBe(0);
        expect(await changed('select * from shelf')).toBe(0);
        expect(await changed('with gone as (delete from shelf returning 1) select * from gone')).toBe(0);
        expect(await changed('create temporary table t as select * from generate_series(1, 3)')).toBe(0);
      });
    });

    describe('statements', () => {
      test('query takes one', async () => {
        await expect(database.query(`insert into shelf values (2, 'b'); select 1`)).rejects.toMatchObject({
          sqlState: '42601',
        });
        expect(await names()).toEqual(['first']);
      });

      test('execute takes several, all or none', async () => {
        await database.execute(`insert into shelf values (2, 'b'); insert into shelf values (3, 'c');`);
        await expect(
          database.execute(`insert into shelf values (4, 'd'); insert into shelf values (1, 'again');`),
        ).rejects.toMatchObject({ sqlState: '23505' });
        expect(await names()).toEqual(['first', 'b', 'c']);
      });

      test('many at once are all answered, without a process warning', async () => {
        const warnings: Error[] = [];
        const onWarning = (warning: Error) => warnings.push(warning);
        process.on('warning', onWarning);
        try {
          const results = await Promise.all(
            Array.from({ length: 40 }, (_, index) =>
              database.query<{ value: number }>('select $1::int as value', [index]),
            ),
          );
          expect(results.map(({ rows }) => rows[0]?.value)).toEqual(Array.from({ length: 40 }, (_, i) => i));
          // Warnings are emitted on the next tick.
          await new Promise((resolve) => setImmediate(resolve));
          expect(warnings).toEqual([]);
        } finally {
          process.off('warning', onWarning);
        }
      });
    });

    describe('what Postgres refuses', () => {
      test.each(REFUSED)('%s: %s', async (sqlState, sql, values) => {
        const error: unknown = await database.query(sql, values).catch((thrown: unknown) => thrown);

        expect(error).toBeInstanceOf(DatabaseError);
        expect(error).toMatchObject({ sqlState });
        // The error as a whole, fields and causes included; only the stack may name this file.
        expect(
          inspect(
            { ...(error as object), message: (error as Error).message, cause: (error as Error).cause },
            { depth: 9 },
          ),
        ).not.toMatch(/sesame/);
        expect((error as Error).message).not.toMatch(/\n|99999999999/);
        expect(await names()).toEqual(['first']);
      });

      test('messages still say what is wrong', async () => {
        const messageOf = (sql: string, values?: BoundValue[]) =>
          database.query(sql, values).then(
            () => 'nothing',
            (error: Error) => error.message,
          );
        expect([
          await messageOf(`insert into shelf values (1, 'again')`),
          await messageOf('select $1::int', ['abc: "def"']),
          await messageOf('select $1::int', ['99999999999']),
          await messageOf('select $1::mood', ['angry']),
          await messageOf(`select complain('x')`),
          await messageOf('select * from missing'),
        ]).toMatchInlineSnapshot(`
          [
            "duplicate key value violates unique constraint "shelf_pkey"",
            "invalid input syntax for type integer",
            "value "…" is out of range for type integer",
            "invalid input value for enum mood",
            "the database function complain(text,text) raised an exception",
            "relation "missing" does not exist",
          ]
        `);
      });
    });

    describe('a transaction', () => {
      test('commits what its work did and gives its result', async () => {
        const result = await database.transaction(async (tx) => {
          await tx.query(`insert into shelf values (2, 'b')`);
          await tx.execute(`insert into shelf values (3, 'c')`);
          return (await names(tx)).length;
        });
        expect(result).toBe(3);
        expect(await names()).toEqual(['first', 'b', 'c']);
      });

      test('rolls back when its work rejects, and rejects with the same error', async () => {
        const failure = new TypeError('no');
        const attempt = database.transaction(async (tx) => {
          await tx.query(`insert into shelf values (2, 'b')`);
          throw failure;
        });
        await expect(attempt).rejects.toBe(failure);
        expect(await names()).toEqual(['first']);
      });

      test('rolls back after an error of the database, and the next one works', async () => {
        const attempt = database.transaction(async (tx) => {
          await tx.query(`insert into shelf values (2, 'b')`);
          await tx.query(`insert into shelf values (1, 'again')`);
        });
        await expect(attempt).rejects.toMatchObject({ sqlState: '23505' });
        await database.transaction((tx) => tx.query(`insert into shelf values (3, 'c')`));
        expect(await names()).toEqual(['first', 'c']);
      });

      test('does not pass for committed when a failure in it was swallowed', async () => {
        const attempt = database.transaction(async (tx) => {
          await tx.query(`insert into shelf values (2, 'b')`);
          await tx.query('select 1 / 0').catch(() => {});
        });
        await expect(attempt).rejects.toMatchObject({ sqlState: '25P02' });
        expect(await names()).toEqual(['first']);
      });

      test('goes on after a failure that a savepoint caught', async () => {
        await database.transaction(async (tx) => {
          await tx.query(`insert into shelf values (2, 'b')`);
          await tx.execute('savepoint here');
          await tx.query('select 1 / 0').catch(() => {});
          await tx.execute('rollback to savepoint here');
        });
        expect(await names()).toEqual(['first', 'b']);
      });

      test('rejects when the commit is refused', async () => {
        await database.execute('create table pair (id int unique deferrable initially deferred)');
        const attempt = database.transaction((tx) => tx.query('insert into pair values (1), (1)'));
        await expect(attempt).rejects.toMatchObject({ name: 'DatabaseError', sqlState: '23505' });
        expect((await database.query('select * from pair')).rows).toEqual([]);
      });

      test('runs statements that were started together, in order', async () => {
        await database.transaction(async (tx) => {
          await Promise.all(
            ['b', 'c', 'd'].map((letter) =>
              tx.query('insert into shelf select max(id) + 1, $1 from shelf', [letter]),
            ),
          );
        });
        expect(await names()).toEqual(['first', 'b', 'c', 'd']);
      });

      test('refuses statements once it has ended', async () => {
        let kept: Queryable | undefined;
        await database.transaction(async (tx) => {
          kept = tx;
        });
        await expect(async () => kept?.query('select 1')).rejects.toThrow('the transaction has ended');
      });
    });

    describe('aborting', () => {
      const stopped = new Error('stopped');

      test('beforehand runs nothing', async () => {
        const options = { signal: AbortSignal.abort(stopped) };
        await expect(database.query(`insert into shelf values (2, 'b')`, [], options)).rejects.toBe(stopped);
        await expect(database.execute(`insert into shelf values (2, 'b')`, options)).rejects.toBe(stopped);
        const work = (tx: Queryable) => tx.query(`insert into shelf values (2, 'b')`);
        await expect(database.transaction(work, options)).rejects.toBe(stopped);
        expect(await names()).toEqual(['first']);
      });

      test('a transaction rolls it back, even after its work is done', async () => {
        const controller = new AbortController();
        const attempt = database.transaction(
          async (tx) => {
            await tx.query(`insert into shelf values (2, 'b')`);
            controller.abort(stopped);
          },
          { signal: controller.signal },
        );
        await expect(attempt).rejects.toBe(stopped);
        expect(await names()).toEqual(['first']);
      });

      test('a transaction refuses its further statements', async () => {
        const controller = new AbortController();
        const attempt = database.transaction(
          async (tx) => {
            controller.abort(stopped);
            await tx.query(`insert into shelf values (2, 'b')`);
          },
          { signal: controller.signal },
        );
        await expect(attempt).rejects.toBe(stopped);
        expect(await names()).toEqual(['first']);
      });

      test('while waiting for a turn ends the wait, and the statement never runs', async () => {
        const controller = new AbortController();
        let release = () => {};
        const released = new Promise<void>((resolve) => {
          release = resolve;
        });
        // As many transactions as there can be connections, so that the next one has to wait.
        const holders = Array.from({ length: 4 }, () => database.transaction(() => released));
        const waiting = database.query(`insert into shelf values (2, 'b')`, [], {
          signal: controller.signal,
        });
        controller.abort(stopped);
        await expect(waiting).rejects.toBe(stopped);
        release();
        await Promise.all(holders);
        expect(await names()).toEqual(['first']);
      });
    });

    describe('listening', () => {
      const notify = (channel: string) => database.query('select pg_notify($1, $2)', [channel, '']);

      test.each(['work', 'Mixed Case', 'with "quotes"'])(
        'hears what is notified on channel %s, and nothing else',
        async (channel) => {
          const heard = vi.fn<() => void>();
          const heardOther = vi.fn<() => void>();
          await using _listener = await database.listen(channel, heard);
          await using _other = await database.listen('other', heardOther);
          await notify(channel);
          await expect.poll(() => heard.mock.calls.length).toBe(1);
          await notify('other');
          await expect.poll(() => heardOther.mock.calls.length).toBe(1);
          expect(heard).toHaveBeenCalledTimes(1);
        },
      );

      test('hears of a transaction once it is committed, and of none that was rolled back', async () => {
        const heard = vi.fn<() => void>();
        await using _listener = await database.listen('work', heard);
        const undone = database.transaction(async (tx) => {
          await tx.query(`select pg_notify('work', 'undone')`);
          throw new Error('no');
        });
        await expect(undone).rejects.toThrow('no');
        await database.transaction(async (tx) => {
          await tx.query(`select pg_notify('work', '')`);
          await tx.query(`insert into shelf values (2, 'b')`);
          expect(heard).not.toHaveBeenCalled();
        });
        await expect.poll(() => heard.mock.calls.length).toBe(1);
      });

      test('several are told, and one that is disposed no more', async () => {
        const heard = vi.fn<() => void>();
        const ended = vi.fn<() => void>();
        await using _listener = await database.listen('work', heard);
        const listener = await database.listen('work', ended);
        await notify('work');
        await expect.poll(() => [heard.mock.calls.length, ended.mock.calls.length]).toEqual([1, 1]);
        await listener[Symbol.asyncDispose]();
        await listener[Symbol.asyncDispose]();
        await notify('work');
        await expect.poll(() => heard.mock.calls.length).toBe(2);
        expect(ended).toHaveBeenCalledTimes(1);
      });

      test('does not begin when it was aborted before, and goes on when it is aborted after', async () => {
        const stopped = new Error('stopped');
        const never = vi.fn<() => void>();
        const options = { signal: AbortSignal.abort(stopped) };
        await expect(database.listen('work', never, options)).rejects.toBe(stopped);
        const controller = new AbortController();
        const heard = vi.fn<() => void>();
        await using _listener = await database.listen('work', heard, { signal: controller.signal });
        controller.abort(stopped);
        await notify('work');
        await expect.poll(() => heard.mock.calls.length).toBe(1);
        expect(never).not.toHaveBeenCalled();
      });

      test('leaves no listener on the signal', async () => {
        const { signal } = new AbortController();
        for (let count = 0; count < 3; count += 1) {
          await using _listener = await database.listen('work', () => {}, { signal });
        }
        expect(getEventListeners(signal, 'abort')).toEqual([]);
      });
    });

    test('its location names no user, password or parameter', () => {
      expect(database.location).not.toMatch(/@|\?|:\/\//);
      expect(database.location).not.toBe('');
    });
  });

  test(`a database on ${name} is closed once, and says so`, async () => {
    const database = await open();
    await Promise.all([database[Symbol.asyncDispose](), database[Symbol.asyncDispose]()]);
    await database[Symbol.asyncDispose]();
    await expect(database.query('select 1')).rejects.toThrow('the database has been closed');
    await expect(database.transaction(async () => {})).rejects.toThrow('the database has been closed');
    await expect(database.listen('work', () => {})).rejects.toThrow('the database has been closed');
  });

  test(`closing a database on ${name} ends its listeners`, async () => {
    const heard = vi.fn<() => void>();
    const database = await open();
    const listener = await database.listen('work', heard);
    await database[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    await using next = await open();
    await next.query(`select pg_notify('work', '')`);
    expect(heard).not.toHaveBeenCalled();
  });
}
