import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { latestVersion, migrate, schemaVersion } from '../../src/db/migrate.ts';
import type { Database, Queryable } from '../../src/ports/database.ts';
import { dumpSchema } from '../../scripts/dump-schema.ts';
import { availableDatabases, type TestDatabase } from '../helpers/databases.ts';

const REGENERATE = 'npx vitest run --project full test/integration/migrations.test.ts --update';

describe.each(availableDatabases())('migrations on $name', ({ create }) => {
  test('bring an empty database to the latest version, once', async () => {
    await using target = await create();
    await using database = await target.open();
    const latest = await latestVersion();

    expect(await schemaVersion(database)).toBeNull();
    expect(await migrate(database)).toEqual({ from: 0, to: latest });
    expect(await schemaVersion(database)).toBe(latest);
    expect(await migrate(database)).toEqual({ from: latest, to: latest });
  });

  test('build the schema that is committed', async () => {
    await using target = await create();
    await using database = await target.open();
    await migrate(database);

    await expect(
      await dumpSchema(database),
      `the schema is not the committed one; if it is meant to be, run: ${REGENERATE}`,
    ).toMatchFileSnapshot('../schema.sql');
  });

  test('ask one question when there is nothing to do', async () => {
    await using target = await create();
    await using database = await target.open();
    await migrate(database);
    const statements: string[] = [];

    await migrate({
      ...wrapped(database),
      query: (sql, values, options) => {
        statements.push(sql);
        return database.query(sql, values, options);
      },
      transaction: () => Promise.reject(new Error('nothing should be changed')),
    });

    expect(statements).toHaveLength(1);
  });

  test('refuse a database that a newer vecpipe has migrated', async () => {
    await using target = await create();
    await using database = await target.open();
    await migrate(database);
    const latest = await latestVersion();
    await database.query('insert into vecpipe.migrations (version) values ($1)', [latest + 2]);

    await expect(migrate(database)).rejects.toMatchObject({
      family: 'usage',
      code: 'database_schema_newer',
      message: `the database was migrated by a newer vecpipe (version ${latest + 2}, this one knows ${latest})`,
    });
  });

  test('leave nothing behind when they are aborted', async () => {
    await using target = await create();
    await using database = await target.open();
    const controller = new AbortController();
    const stopped = new Error('stopped');
    const abortingAtTheEnd = wrapped(database, async (tx, work) => {
      const result = await work(tx);
      controller.abort(stopped);
      return result;
    });

    await expect(migrate(abortingAtTheEnd, { signal: controller.signal })).rejects.toBe(stopped);

    expect(await schemaVersion(database)).toBeNull();
    expect(await migrate(database)).toMatchObject({ from: 0 });
  });
});

describe.each(availableDatabases().filter(({ kind }) => kind === 'postgres'))('on a server', ({ create }) => {
  test('twenty migrations at once apply each version once', async () => {
    await using target = await create();
    const latest = await latestVersion();
    const databases = await Promise.all(Array.from({ length: 20 }, () => target.open({ maxConnections: 1 })));
    try {
      const results = await Promise.all(databases.map((database) => migrate(database)));

      expect(results.every(({ to }) => to === latest)).toBe(true);
      const { rows } = await databases[0]!.query('select version from vecpipe.migrations order by version');
      expect(rows).toEqual(Array.from({ length: latest }, (_, index) => ({ version: index + 1 })));
    } finally {
      await Promise.all(databases.map((database) => database[Symbol.asyncDispose]()));
    }
  });

  test('a lock that somebody keeps is one sentence', async () => {
    await using target = await create();
    await using database = await target.open();
    await database.execute(
      'create schema vecpipe; create table vecpipe.migrations (version int primary key, applied_at timestamptz default now())',
    );

    await database.transaction(async (holder) => {
      await holder.execute('lock table vecpipe.migrations in exclusive mode');
      await expect(migrate(database, { lockTimeoutMs: 50 })).rejects.toMatchObject({
        family: 'unavailable',
        code: 'database_migration_locked',
        message: "another process has kept vecpipe's tables locked for too long, so they cannot be migrated",
      });
    });

    expect(await migrate(database)).toMatchObject({ from: 0 });
  });

  test('a user who may not create the schema is told the grant', async () => {
    await using target = await create();
    await using role = await createRole(target);
    await using database = await role.open();

    await expect(migrate(database)).rejects.toMatchObject({
      family: 'usage',
      code: 'database_rights_missing',
      hint: expect.stringContaining('GRANT CREATE ON DATABASE'),
    });
  });

  test('the right to create in the database is enough', async () => {
    await using target = await create();
    await using role = await createRole(
      target,
      (name) => `grant create on database ${target.environment.DATABASE_URL!.split('/').at(-1)} to ${name}`,
    );
    await using database = await role.open();

    expect(await migrate(database)).toMatchObject({ from: 0, to: await latestVersion() });
  });

  test('a schema that the user owns is enough', async () => {
    await using target = await create();
    await using role = await createRole(target, (name) => `create schema vecpipe authorization ${name}`);
    await using database = await role.open();

    expect(await migrate(database)).toMatchObject({ from: 0, to: await latestVersion() });
  });

  test('a user who may not read the tables is told so', async () => {
    await using target = await create();
    {
      await using owner = await target.open();
      await migrate(owner);
    }
    await using role = await createRole(target);
    await using database = await role.open();

    await expect(schemaVersion(database)).rejects.toMatchObject({ code: 'database_rights_missing' });
  });
});

/** The same database with another way to run transactions. */
function wrapped(
  database: Database,
  run: <Result>(tx: Queryable, work: (tx: Queryable) => Promise<Result>) => Promise<Result> = (tx, work) =>
    work(tx),
): Database {
  return {
    kind: database.kind,
    location: database.location,
    exclusive: database.exclusive,
    query: (sql, values, options) => database.query(sql, values, options),
    execute: (script, options) => database.execute(script, options),
    transaction: (work, options) => database.transaction((tx) => run(tx, work), options),
    listen: (channel, onNotify, options) => database.listen(channel, onNotify, options),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** A user without any rights but those that `grant` gives; disposal drops it with what it owns. */
async function createRole(
  target: TestDatabase,
  grant?: (name: string) => string,
): Promise<AsyncDisposable & { open(): Promise<Database> }> {
  const name = `vecpipe_role_${randomBytes(6).toString('hex')}`;
  const asOwner = async (script: string) => {
    await using owner = await target.open();
    await owner.execute(script);
  };
  await asOwner(`create role ${name} login; ${grant?.(name) ?? ''}`);
  const url = new URL(target.environment.DATABASE_URL!);
  url.username = name;
  url.password = '';
  return {
    open: () => openPostgresDatabase({ url: url.href, maxConnections: 2 }),
    [Symbol.asyncDispose]: () => asOwner(`drop owned by ${name} cascade; drop role ${name}`),
  };
}
