import { setImmediate as nextPhase } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { PostgresListener } from '../../src/db/postgres/postgres-listener.ts';
import type { Database } from '../../src/ports/database.ts';
import { availableDatabases, type TestDatabase } from '../helpers/databases.ts';
import { openTcpProxy } from '../helpers/tcp-proxy.ts';

const variant = availableDatabases().find(({ kind }) => kind === 'postgres');

describe.skipIf(!variant)('the connections to a Postgres server', () => {
  let target: TestDatabase;
  /** Looks at the server from outside. */
  let observer: Database;

  beforeAll(async () => {
    target = await variant!.create();
    observer = await target.open({ maxConnections: 1 });
  });
  afterAll(async () => {
    await observer[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });

  const backendOf = async (database: Database): Promise<number> =>
    (await database.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;

  /** Backends of the database apart from the observer's own. */
  const backends = async (): Promise<{ pid: number; query: string; state: string }[]> =>
    (
      await observer.query<{ pid: number; query: string; state: string }>(
        `select pid, query, state from pg_stat_activity
          where datname = current_database() and application_name = 'vecpipe' and pid <> pg_backend_pid()`,
      )
    ).rows;

  const running = async (statement: string): Promise<number> =>
    (await backends()).filter(({ query, state }) => state === 'active' && query === statement).length;

  test('an idle one that dies is replaced', async () => {
    await using database = await target.open({ maxConnections: 1 });
    const pid = await backendOf(database);
    await observer.query('select pg_terminate_backend($1)', [pid]);
    await expect.poll(backends).toEqual([]);
    // The server said good-bye before it left the list; one turn of the event loop reads it.
    await nextPhase();

    expect(await backendOf(database)).not.toBe(pid);
  });

  test('one that dies while it works is a lost connection, and the next statement works', async () => {
    await using database = await target.open({ maxConnections: 1 });
    const pid = await backendOf(database);
    const lost = expect(database.query('select pg_sleep(30)')).rejects.toMatchObject({
      family: 'unavailable',
      code: 'database_connection_lost',
      message: expect.stringMatching(/^lost the connection to Postgres at \S+ \(DATABASE_URL\): /),
    });
    await expect.poll(() => running('select pg_sleep(30)')).toBe(1);
    await observer.query('select pg_terminate_backend($1)', [pid]);
    await lost;

    expect(await backendOf(database)).not.toBe(pid);
  });

  test('one that dies inside a transaction rejects the transaction', async () => {
    await using database = await target.open({ maxConnections: 1 });
    const attempt = database.transaction(async (tx) => {
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
      await observer.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
      await expect.poll(backends).toEqual([]);
      await tx.query('select 1');
    });
    await expect(attempt).rejects.toMatchObject({ family: 'unavailable', code: 'database_connection_lost' });
    expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('aborting cancels the statement on the server and discards the connection', async () => {
    await using database = await target.open({ maxConnections: 1 });
    const pid = await backendOf(database);
    const stopped = new Error('stopped');
    const controller = new AbortController();
    const aborted = expect(
      database.query('select pg_sleep(31)', [], { signal: controller.signal }),
    ).rejects.toBe(stopped);
    await expect.poll(() => running('select pg_sleep(31)')).toBe(1);

    controller.abort(stopped);
    await aborted;

    await expect.poll(() => running('select pg_sleep(31)')).toBe(0);
    expect(await backendOf(database)).not.toBe(pid);
  });

  test('aborting a transaction cancels its statement and undoes it', async () => {
    await using database = await target.open({ maxConnections: 1 });
    await database.execute('create table written (id int)');
    const stopped = new Error('stopped');
    const controller = new AbortController();
    const aborted = expect(
      database.transaction(
        async (tx) => {
          await tx.query('insert into written values (1)');
          await tx.query('select pg_sleep(32)');
        },
        { signal: controller.signal },
      ),
    ).rejects.toBe(stopped);
    await expect.poll(() => running('select pg_sleep(32)')).toBe(1);

    controller.abort(stopped);
    await aborted;

    await expect.poll(() => running('select pg_sleep(32)')).toBe(0);
    expect((await database.query('select * from written')).rows).toEqual([]);
  });

  test('closing cancels what is running and leaves no connection', async () => {
    const database = await target.open({ maxConnections: 2 });
    const closed = expect(database.query('select pg_sleep(33)')).rejects.toThrow(
      'the database has been closed',
    );
    await expect.poll(() => running('select pg_sleep(33)')).toBe(1);

    await database[Symbol.asyncDispose]();
    await closed;

    await expect.poll(backends).toEqual([]);
  });

  test('closing refuses what waits for a connection', async () => {
    const database = await target.open({ maxConnections: 1 });
    const results = Promise.allSettled([1, 2, 3].map(() => database.query('select pg_sleep(34)')));
    await database[Symbol.asyncDispose]();
    expect(await results).toEqual(
      [1, 2, 3].map(() => ({ status: 'rejected', reason: new Error('the database has been closed') })),
    );
  });

  test('waiting for a busy pool is not taken for an unreachable server', async () => {
    await using database = await openPostgresDatabase({
      url: target.environment.DATABASE_URL!,
      maxConnections: 1,
      connectDeadlineMs: 100,
    });
    await Promise.all([1, 2, 3].map(() => database.query('select pg_sleep(0.15)')));
  });

  test('never are more than was asked for', async () => {
    await using database = await target.open({ maxConnections: 3 });
    const pids = await Promise.all(Array.from({ length: 20 }, () => backendOf(database)));
    expect(new Set(pids).size).toBe(3);
  });

  test('write rows in one way, whatever the defaults of the database are', async () => {
    const row = `select row('2026-01-02 03:04:05.6+00'::timestamptz, '2026-01-02'::date, '1 day'::interval,
                            1e-7::float8 / 3, '\\xff'::bytea)::text as value`;
    const name = target.environment.DATABASE_URL!.split('/').at(-1);
    const expected = (await observer.query(row)).rows;
    await observer.execute(`
      alter database ${name} set timezone = 'Asia/Tokyo';
      alter database ${name} set datestyle = 'German';
      alter database ${name} set intervalstyle = 'sql_standard';
      alter database ${name} set extra_float_digits = -5;
      alter database ${name} set bytea_output = 'escape';
      alter database ${name} set default_transaction_isolation = 'serializable';
    `);
    await using database = await target.open();
    expect((await database.query(row)).rows).toEqual(expected);
    expect(expected).toEqual([
      { value: '("2026-01-02 03:04:05.6+00",2026-01-02,P1D,3.3333333333333334e-08,"\\\\xff")' },
    ]);
    expect((await database.query('show transaction_isolation')).rows).toEqual([
      { transaction_isolation: 'read committed' },
    ]);
  });

  test("leave the operator's statement timeout in force", async () => {
    const name = target.environment.DATABASE_URL!.split('/').at(-1);
    await observer.execute(`alter database ${name} set statement_timeout = '20ms'`);
    try {
      await using database = await target.open();
      await expect(database.query('select pg_sleep(30)')).rejects.toMatchObject({
        family: 'unavailable',
        code: 'database_statement_timeout',
      });
    } finally {
      await observer.execute(`alter database ${name} reset statement_timeout`);
    }
  });

  describe('a listener', () => {
    /** Backends whose last statement began to listen, or asked whether it still does. */
    const listening = async () => (await backends()).filter(({ query }) => /^listen|^select 1$/.test(query));
    const notify = () => observer.query(`select pg_notify('work', '')`);

    test('takes no connection from the pool, and leaves none behind', async () => {
      await using database = await target.open({ maxConnections: 1 });
      const listener = await database.listen('work', () => {});
      await database.transaction(async () => {
        await expect.poll(listening).toHaveLength(1);
      });
      await listener[Symbol.asyncDispose]();
      await expect.poll(listening).toEqual([]);
    });

    test('whose backend is killed tells that something may have been missed, and listens again', async () => {
      const heard = vi.fn<() => void>();
      await using database = await target.open({ maxConnections: 1 });
      await using _listener = await database.listen('work', heard);
      for (const times of [1, 2]) {
        const [{ pid } = { pid: 0 }] = await listening();
        await observer.query('select pg_terminate_backend($1)', [pid]);
        await expect.poll(() => heard.mock.calls.length, { timeout: 10_000 }).toBe(times * 2 - 1);
        await notify();
        await expect.poll(() => heard.mock.calls.length).toBe(times * 2);
      }
    });

    test('goes on once a server that is away comes back', async () => {
      const heard = vi.fn<() => void>();
      await using proxy = await openTcpProxy(target.environment.DATABASE_URL!);
      await using database = await openPostgresDatabase({ url: proxy.url, maxConnections: 1 });
      await using _listener = await database.listen('work', heard);
      await proxy.cut();
      await expect.poll(listening).toEqual([]);
      await proxy.restore();
      await expect.poll(() => heard.mock.calls.length, { timeout: 10_000 }).toBe(1);
      await notify();
      await expect.poll(() => heard.mock.calls.length).toBe(2);
    });

    test('can be ended, by itself or with the database, while the server is away or hangs', async () => {
      await using proxy = await openTcpProxy(target.environment.DATABASE_URL!);
      for (const fault of ['cut', 'stall'] as const) {
        await using database = await openPostgresDatabase({ url: proxy.url, maxConnections: 1 });
        const listener = await database.listen('work', () => {});
        await database.listen('work', () => {});
        await proxy[fault]();
        await listener[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
        await proxy.restore();
        await expect.poll(listening).toEqual([]);
      }
    });

    test('notices by itself that the other side does not answer any more', async () => {
      const heard = vi.fn<() => void>();
      await using proxy = await openTcpProxy(target.environment.DATABASE_URL!);
      await using _listener = await PostgresListener.open(
        {
          channel: 'work',
          onNotify: heard,
          connection: { connectionString: proxy.url },
          connectDeadlineMs: 5_000,
          place: { location: 'here', source: 'the test' },
          beatMs: 50,
        },
        [],
      );
      const [first] = await listening();
      proxy.stall();
      // The server sees it closed by us: nobody else has ended it.
      await expect.poll(async () => (await listening()).map(({ pid }) => pid)).not.toContain(first!.pid);
      await proxy.restore();
      await expect.poll(() => heard.mock.calls.length, { timeout: 10_000 }).toBe(1);
    });

    test('that is aborted while the server hangs leaves nothing behind', async () => {
      await using proxy = await openTcpProxy(target.environment.DATABASE_URL!);
      await using database = await openPostgresDatabase({ url: proxy.url, maxConnections: 1 });
      proxy.stall();
      const connected = proxy.connection();
      const stopped = new Error('stopped');
      const controller = new AbortController();
      const aborted = expect(database.listen('work', () => {}, { signal: controller.signal })).rejects.toBe(
        stopped,
      );
      const closed = expect(database.listen('work', () => {})).rejects.toThrow(
        'the database has been closed',
      );
      await connected;
      controller.abort(stopped);
      await aborted;
      await database[Symbol.asyncDispose]();
      await closed;
      await expect.poll(listening).toEqual([]);
    });

    test('that cannot be had is one sentence', async () => {
      await using proxy = await openTcpProxy(target.environment.DATABASE_URL!);
      await using database = await openPostgresDatabase({
        url: proxy.url,
        maxConnections: 1,
        connectDeadlineMs: 200,
      });
      proxy.stall();
      await expect(database.listen('work', () => {})).rejects.toMatchObject({
        family: 'unavailable',
        code: 'database_unreachable',
        message: expect.stringMatching(/^cannot reach Postgres at \S+ \(DATABASE_URL\): no answer in time$/),
      });
    });
  });

  test('a database that does not exist is one sentence', async () => {
    const url = new URL(target.environment.DATABASE_URL!);
    url.pathname = '/nowhere';
    await expect(openPostgresDatabase({ url: url.href, maxConnections: 1 })).rejects.toMatchObject({
      family: 'usage',
      code: 'database_missing',
    });
  });

  test('a read-only database is named as that', async () => {
    const url = new URL(target.environment.DATABASE_URL!);
    url.searchParams.set('options', '-c default_transaction_read_only=on');
    await using database = await openPostgresDatabase({ url: url.href, maxConnections: 1 });
    await expect(database.execute('create table unwanted (id int)')).rejects.toMatchObject({
      family: 'unavailable',
      code: 'database_read_only',
    });
  });
});
