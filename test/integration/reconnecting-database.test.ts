import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { quoteIdentifier } from '../../src/db/quote.ts';
import { reconnectingDatabase } from '../../src/db/reconnecting-database.ts';
import type { WaitOptions } from '../../src/lifetime/outage.ts';
import type { Database } from '../../src/ports/database.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { TestDatabase } from '../helpers/databases.ts';
import { Gate } from '../helpers/gate.ts';
import { noPostgresServer, startPostgresServer } from '../helpers/postgres-server.ts';
import { openTcpProxy } from '../helpers/tcp-proxy.ts';
import type { TcpProxy } from '../helpers/tcp-proxy.ts';

const postgres = availableDatabases().find(({ kind }) => kind === 'postgres');

interface Waiting {
  database: Database;
  notices: string[];
  stop: AbortController;
}

async function openWaiting(
  url: string,
  { maxConnections = 4, ...changes }: Partial<WaitOptions> & { maxConnections?: number } = {},
): Promise<Waiting> {
  const notices: string[] = [];
  const stop = new AbortController();
  const wait = {
    maxOutageMs: 60_000,
    giveUp: stop.signal,
    notify: (message: string) => void notices.push(message),
    ...changes,
  };
  return {
    database: reconnectingDatabase(await openPostgresDatabase({ url, maxConnections }), wait),
    notices,
    stop,
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe.skipIf(postgres === undefined)('a database behind a connection that breaks', () => {
  let testDatabase: TestDatabase;
  let url: string;
  /** Not through the proxy. */
  let observer: Database;
  let proxy: TcpProxy;

  beforeAll(async () => {
    if (postgres === undefined) throw new Error('there is no server');
    testDatabase = await postgres.create();
    url = testDatabase.environment.DATABASE_URL ?? '';
    observer = await testDatabase.open({ maxConnections: 1 });
    await observer.execute('create table counted (id int)');
    proxy = await openTcpProxy(url);
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await observer?.[Symbol.asyncDispose]();
    await testDatabase?.[Symbol.asyncDispose]();
  });

  const killAll = () =>
    observer.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );

  /** Resolves when so many statements of {@link sleep} are under way. */
  const sleeping = (count: number) =>
    until(async () => {
      const { rows } = await observer.query(
        `select from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and wait_event = 'PgSleep'`,
      );
      return rows.length === count;
    });
  const sleep = (database: Database, seconds: number) =>
    database.query('select pg_sleep($1::float8)', [seconds]);

  test('is waited for by all who ask it, and told of once each way', async () => {
    const { database, notices } = await openWaiting(proxy.url);
    await using _database = database;
    await proxy.cut();
    const answers = Array.from({ length: 10 }, (_none, index) =>
      database.query<{ n: number }>('select $1::int as n', [index]),
    );
    await until(() => notices.length === 1);
    await proxy.restore();
    expect((await Promise.all(answers)).map(({ rows }) => rows[0]?.n)).toEqual([...answers.keys()]);
    expect(notices).toEqual([
      expect.stringMatching(
        /^(Cannot reach|Lost the connection to) Postgres at \S+ \(DATABASE_URL\): .+; trying again for up to 60 s$/,
      ),
      expect.stringMatching(/^Postgres at 127\.0\.0\.1:\d+\/\w+ is back after [\d.]+ s$/),
    ]);
  });

  test('repeats a transaction as a whole', async () => {
    const { database } = await openWaiting(proxy.url);
    await using _database = database;
    const gate = new Gate();
    let tries = 0;
    const done = database.transaction(async (tx) => {
      tries += 1;
      await tx.query('insert into counted values (1)');
      if (tries === 1) await gate.pass();
      await tx.query('insert into counted values (2)');
      return tries;
    });
    await gate.waiting();
    await killAll();
    gate.open();
    expect(await done).toBe(2);
    const { rows } = await observer.query<{ id: number }>('select id from counted order by id');
    expect(rows.map(({ id }) => id)).toEqual([1, 2]);
  });

  test('takes another connection at once when backends are killed, whatever it was doing', async () => {
    const { database } = await openWaiting(url, { maxConnections: 8 });
    await using _database = database;
    await Promise.all(Array.from({ length: 8 }, () => sleep(database, 0.05)));
    const underWay = Array.from({ length: 4 }, () => sleep(database, 1));
    await sleeping(4);
    await killAll();
    await Promise.all([...underWay, sleep(database, 0)]);
  });

  test('leaves out connections that were idle when another one was lost', async () => {
    const { database } = await openWaiting(url);
    await using _database = database;
    const pids = async () => {
      const gate = new Gate();
      const all = [1, 2, 3].map(() =>
        database.transaction(async (tx) => {
          const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
          await gate.pass();
          return rows[0]?.pid ?? 0;
        }),
      );
      await gate.waiting(3);
      gate.open();
      return Promise.all(all);
    };
    const before = await pids();
    let lost: number | undefined;
    await database.transaction(async (tx) => {
      if (lost !== undefined) return;
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
      lost = rows[0]?.pid;
      await observer.query('select pg_terminate_backend($1)', [lost ?? 0]);
      await tx.query('select 1');
    });
    const after = await pids();
    expect(before).toContain(lost);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
  });

  test('is given up after the deadline', async () => {
    const { database, notices } = await openWaiting(proxy.url, { maxOutageMs: 700 });
    await using _database = database;
    await proxy.cut();
    await expect(database.query('select 1')).rejects.toMatchObject({
      family: 'unavailable',
      code: 'database_unreachable',
      message: expect.stringMatching(
        /^cannot reach Postgres at \S+ \(DATABASE_URL\): connection refused; tried again for [\d.]+ s \(--max-outage\)$/,
      ) as string,
    });
    await proxy.restore();
    expect(notices).toHaveLength(1);
  });

  test('lets go of everything when it is closed, or when the run is stopped', async () => {
    const stopped = await openWaiting(proxy.url);
    const closed = await openWaiting(proxy.url);
    await proxy.cut();
    const stoppedQueries = [1, 2, 3].map(() => stopped.database.query('select 1'));
    const closedQueries = [1, 2, 3].map(() => closed.database.query('select 1'));
    const ended = [...stoppedQueries, ...closedQueries].map((query) =>
      expect(query).rejects.toMatchObject({
        code: expect.stringMatching(/^database_(unreachable|connection_lost)$/) as string,
      }),
    );
    await until(() => stopped.notices.length > 0 && closed.notices.length > 0);
    stopped.stop.abort(new Error('stopped'));
    await closed.database[Symbol.asyncDispose]();
    await Promise.all(ended);
    await stopped.database[Symbol.asyncDispose]();
    await proxy.restore();
  });

  test('a read-only database is no outage', async () => {
    const name = new URL(url).pathname.slice(1);
    await observer.execute(`alter database ${quoteIdentifier(name)} set default_transaction_read_only = on`);
    const { database, notices } = await openWaiting(url);
    await using _database = database;
    try {
      await expect(database.query('insert into counted values (3)')).rejects.toMatchObject({
        code: 'database_read_only',
      });
    } finally {
      await observer.execute(`alter database ${quoteIdentifier(name)} reset default_transaction_read_only`);
    }
    expect(notices).toEqual([]);
  });

  test('a failover is one: the old primary takes no writes for a while', async () => {
    const name = new URL(url).pathname.slice(1);
    const { database, notices } = await openWaiting(url);
    await using _database = database;
    await observer.execute(`alter database ${quoteIdentifier(name)} set default_transaction_read_only = on`);
    let written: Promise<unknown>;
    try {
      const interrupted = sleep(database, 0.3);
      await sleeping(1);
      await killAll();
      await interrupted;
      written = database.query('insert into counted values (4)');
      const said = / is read-only; trying again for up to 60 s$/;
      await until(() => notices.some((notice) => said.test(notice)));
    } finally {
      await observer.execute(`alter database ${quoteIdentifier(name)} reset default_transaction_read_only`);
    }
    // The address leads to the new one.
    await killAll();
    await written;
  });

  test('a server without a free connection is waited for, with those that it has given', async () => {
    const role = `vecpipe_test_${randomBytes(6).toString('hex')}`;
    await observer.execute(`create role ${role} login connection limit 2 password 'x'`);
    try {
      const own = Object.assign(new URL(url), { username: role, password: 'x' });
      const { database } = await openWaiting(own.href, { maxConnections: 8 });
      await using _database = database;
      const queries = Array.from({ length: 40 }, (_none, index) =>
        database.query<{ n: number }>('select $1::int as n, pg_sleep(0.01)', [index]),
      );
      expect((await Promise.all(queries)).map(({ rows }) => rows[0]?.n)).toEqual([...queries.keys()]);
    } finally {
      await observer.execute(`drop role ${role}`);
    }
  });
});

if (noPostgresServer !== null) console.warn(`skipped: restarts of a Postgres, because ${noPostgresServer}`);

describe.skipIf(noPostgresServer !== null)('a server that', { timeout: 120_000 }, () => {
  test('is restarted, or crashes, is waited for', async () => {
    await using server = await startPostgresServer();
    const { database } = await openWaiting(server.url, { maxConnections: 4 });
    await using _database = database;
    await database.execute('create table counted (id int primary key)');
    let next = 0;
    let isOver = false;
    const insert = async () => {
      while (!isOver) {
        next += 1;
        await database.query('insert into counted values ($1) on conflict do nothing', [next]);
      }
    };
    const workers = [insert(), insert(), insert(), insert()];
    const progress = async () => {
      const reached = next + 100;
      await until(() => next > reached);
    };
    await progress();
    for (const mode of ['fast', 'immediate'] as const) {
      await server.stop(mode);
      await server.start();
      await progress();
    }
    await server.killOneBackend();
    await progress();
    isOver = true;
    await Promise.all(workers);
    const { rows } = await database.query<{ count: number }>('select count(*) from counted');
    expect(rows[0]?.count).toBe(next);
  });
});
