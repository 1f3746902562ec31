import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openPgliteDatabase } from '../../src/db/pglite/pglite-database.ts';
import { EMBEDDED_MAJOR_VERSION } from '../../src/db/pglite/pglite-folder.ts';
import { availableDatabases } from '../helpers/databases.ts';

const SCRIPT = fileURLToPath(new URL('../helpers/hold-database.ts', import.meta.url));

let home: string;
let folder: string;
let child: ChildProcessByStdio<Writable, Readable, null> | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'vecpipe-pglite-'));
  folder = join(home, 'pgdata');
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  child = undefined;
  await rm(home, { recursive: true, force: true });
});

/** Starts the other process on the folder. */
function startOther(): ChildProcessByStdio<Writable, Readable, null> {
  child = spawn(process.execPath, ['--import', 'jiti/register', SCRIPT, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return child;
}

async function firstLine(from: ChildProcessByStdio<Writable, Readable, null>): Promise<string> {
  const [line] = (await once(createInterface(from.stdout), 'line')) as [string];
  return line;
}

/** An empty database in the folder, without the seconds that creating one takes. */
async function useEmptyDatabase(): Promise<void> {
  const empty = await availableDatabases()[0]!.create();
  await rename((empty.config as { folder: string }).folder, folder);
  await empty[Symbol.asyncDispose]();
}

const rowsHeld = async () => {
  await using database = await openPgliteDatabase({ folder });
  return (await database.query('select count(*) as held from held')).rows;
};

describe('two processes on one folder', () => {
  beforeEach(useEmptyDatabase);

  test('the second is told about the first, and gets its turn when that has ended', async () => {
    const other = startOther();
    expect(await firstLine(other)).toBe('holding');

    await expect(openPgliteDatabase({ folder })).rejects.toMatchObject({
      family: 'unavailable',
      code: 'database_in_use',
      message: expect.stringMatching(
        new RegExp(
          `^the embedded database in ${folder} is in use by process ${other.pid} \\(vecpipe vectorize, since \\d\\d:\\d\\d:\\d\\d\\)$`,
        ),
      ),
    });

    other.stdin.end();
    expect(await once(other, 'exit')).toEqual([0, null]);
    expect(await rowsHeld()).toEqual([{ held: 1 }]);
  });

  test('what the other process says is one line', async () => {
    await using _database = await openPgliteDatabase({ folder, command: 'vecpipe sync' });
    const other = startOther();
    const exit = once(other, 'exit');
    expect(await firstLine(other)).toMatch(
      new RegExp(`is in use by process ${process.pid} \\(vecpipe sync, since .*\\)$`),
    );
    expect(await exit).toEqual([4, null]);
  });

  test('one that was killed is taken over, with what it had committed', async () => {
    const other = startOther();
    expect(await firstLine(other)).toBe('holding');
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(existsSync(`${folder}.lock`)).toBe(true);

    expect(await rowsHeld()).toEqual([{ held: 1 }]);
    expect(await readdir(home)).toEqual(['pgdata']);
  });
});

describe('a process that is killed while it creates the database', () => {
  test('leaves one that can be created', async () => {
    const other = startOther();
    await expect.poll(() => existsSync(`${folder}.creating`), { timeout: 30_000, interval: 5 }).toBe(true);
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(existsSync(folder)).toBe(false);

    await expectUsable();
  });

  test('leaves one that can be created, even when all but the last file was there', async () => {
    await useEmptyDatabase();
    await rename(folder, `${folder}.creating`);
    await rm(join(`${folder}.creating`, 'global'), { recursive: true });

    await expectUsable();
  });

  async function expectUsable(): Promise<void> {
    await using database = await openPgliteDatabase({ folder });
    expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect((await readdir(home)).sort()).toEqual(['pgdata', 'pgdata.lock']);
  }
});

describe('a folder', () => {
  test('is created, also where there is an empty one, and keeps its content', async () => {
    await mkdir(folder);
    {
      await using database = await openPgliteDatabase({ folder });
      await database.execute('create table kept (id int); insert into kept values (7)');
      expect(database).toMatchObject({ kind: 'pglite', exclusive: true, location: folder });
    }
    expect(await readdir(home)).toEqual(['pgdata']);
    expect((await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim()).toBe(EMBEDDED_MAJOR_VERSION);
    await using database = await openPgliteDatabase({ folder });
    expect((await database.query('select * from kept')).rows).toEqual([{ id: 7 }]);
  });

  test('with something else in it is left alone', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'thesis.txt'), 'years of work');
    await expect(openPgliteDatabase({ folder })).rejects.toMatchObject({
      family: 'usage',
      code: 'database_folder_unusable',
      message: expect.stringContaining('holds something other than an embedded database'),
    });
    expect(await readdir(home)).toEqual(['pgdata']);
    expect(await readdir(folder)).toEqual(['thesis.txt']);
  });

  test('of another version is named as that', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'PG_VERSION'), '17\n');
    await expect(openPgliteDatabase({ folder })).rejects.toMatchObject({
      family: 'usage',
      code: 'database_folder_version',
      message: expect.stringContaining('was made by Postgres 17'),
    });
  });

  test.each(['global/pg_control', 'postgresql.conf', 'pg_wal'])(
    'without its %s is one sentence',
    async (part) => {
      await useEmptyDatabase();
      await rm(join(folder, part), { recursive: true });
      const error = (await openPgliteDatabase({ folder }).catch((thrown: unknown) => thrown)) as Error;
      expect(error).toMatchObject({ family: 'usage', code: 'database_folder_unusable' });
      expect(error.message).toMatch(/^cannot open the embedded database in .*: (could not|required) .*$/);
      expect(error.message.length).toBeLessThan(300);
      expect(existsSync(`${folder}.lock`)).toBe(false);
    },
  );

  test('is not opened, and not kept locked, when aborted', async () => {
    await useEmptyDatabase();
    const stopped = new Error('stopped');
    const controller = new AbortController();
    const opening = openPgliteDatabase({ folder }, { signal: controller.signal });
    controller.abort(stopped);
    await expect(opening).rejects.toBe(stopped);
    expect(await readdir(home)).toEqual(['pgdata']);
  });
});

describe('in one process', () => {
  beforeEach(useEmptyDatabase);

  test('the database, used inside its own transaction, refuses instead of waiting for ever', async () => {
    await using database = await openPgliteDatabase({ folder });
    await expect(database.transaction(() => database.query('select 1'))).rejects.toThrow(
      'inside a transaction use the Queryable that it is given',
    );
    await database.query('select 1');
  });

  test('closing waits for what is running and leaves the exit code alone', async () => {
    process.exitCode = undefined;
    const database = await openPgliteDatabase({ folder });
    const running = database.query('select count(*) as counted from generate_series(1, 100000)');
    await database[Symbol.asyncDispose]();
    expect((await running).rows).toEqual([{ counted: 100_000 }]);
    expect(process.exitCode).toBeUndefined();
  });

  test('a disk that is nearly full is reported before a statement could hang on it', async () => {
    await using database = await openPgliteDatabase({ folder, minimumFreeBytes: Number.MAX_SAFE_INTEGER });
    const full = { code: 'database_disk_full', family: 'unavailable' };
    await expect(database.query('select 1')).rejects.toMatchObject(full);
    await expect(database.execute('create table t ()')).rejects.toMatchObject(full);
    await expect(database.transaction((tx) => tx.query('select 1'))).rejects.toMatchObject(full);
  });

  test('pgvector can be created', async () => {
    await using database = await openPgliteDatabase({ folder });
    await database.execute('create extension vector');
    const { rows } = await database.query(
      `select $1::vector(3) as value, $1::vector <=> '[1,0,0]' as distance`,
      ['[1,0,0]'],
    );
    expect(rows).toEqual([{ value: '[1,0,0]', distance: 0 }]);
  });
});
