import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { processSpace, processStartTicks } from '../../util/process-space.ts';
import { lockFolder } from './folder-lock.ts';

let home: string;
let folder: string;
let lock: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'vecpipe-lock-'));
  folder = join(home, 'pgdata');
  lock = `${folder}.lock`;
});
afterEach(() => rm(home, { recursive: true, force: true }));

const options = { command: 'vecpipe test' };

/** What a process that was killed leaves: no process ever has this id. */
const DEAD = {
  space: processSpace(),
  pid: 2 ** 30,
  startedAtTicks: 1,
  command: 'vecpipe sync',
  since: '2026-01-01',
};

async function writeOwner(changes: Partial<typeof DEAD> = {}): Promise<void> {
  await writeFile(lock, JSON.stringify({ ...DEAD, token: randomUUID(), ...changes }));
}

test('the second one is told who holds it, until it is given back', async () => {
  {
    await using _first = await lockFolder(folder, options);
    await expect(lockFolder(folder, { command: 'vecpipe verify' })).rejects.toMatchObject({
      family: 'unavailable',
      code: 'database_in_use',
      message: expect.stringMatching(
        /^the embedded database in \S+pgdata is in use by this process \(vecpipe test, since \d\d:\d\d:\d\d\)$/,
      ),
      hint: expect.stringContaining('DATABASE_URL'),
    });
  }
  await using _third = await lockFolder(folder, options);
});

test('giving it back leaves nothing behind, and can be done twice', async () => {
  const first = await lockFolder(folder, options);
  await first[Symbol.asyncDispose]();
  expect(await readdir(home)).toEqual([]);
  await using second = await lockFolder(folder, options);
  await first[Symbol.asyncDispose]();
  expect(existsSync(lock)).toBe(true);
  expect(second).toBeDefined();
});

test('another process that is alive is named', async () => {
  await writeOwner({
    pid: process.ppid,
    startedAtTicks: null as unknown as number,
    since: new Date().toISOString(),
  });
  await expect(lockFolder(folder, options)).rejects.toThrow(
    `is in use by process ${process.ppid} (vecpipe sync, since `,
  );
});

describe('is taken over', () => {
  test('from a process that is gone', async () => {
    await writeOwner();
    await using _own = await lockFolder(folder, options);
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({
      pid: process.pid,
      command: 'vecpipe test',
    });
    expect(await readdir(home)).toEqual(['pgdata.lock']);
  });

  test.runIf(processStartTicks() !== null)('from a process whose id was given to another one', async () => {
    await writeOwner({ pid: process.pid, startedAtTicks: 1 });
    await using _own = await lockFolder(folder, options);
  });

  test('from a chain of processes that died while they took over', async () => {
    await writeFile(lock, JSON.stringify({ ...DEAD, token: 'a' }));
    await writeFile(`${lock}.a`, JSON.stringify({ ...DEAD, token: 'b' }));
    await writeFile(`${lock}.b`, JSON.stringify({ ...DEAD, token: 'c' }));
    await using _own = await lockFolder(folder, options);
    expect(await readdir(home)).toEqual(['pgdata.lock']);
  });

  test('from a process that died before it wrote its name', async () => {
    await writeFile(lock, '');
    await using _own = await lockFolder(folder, options);
  });
});

test('a process of another container is believed to be alive, with a way out', async () => {
  const [, boot] = processSpace().split('/');
  await writeOwner({ space: `web-1/${boot}/1` });
  await expect(lockFolder(folder, options)).rejects.toMatchObject({
    message: expect.stringContaining('of another container or machine, web-1'),
    hint: expect.stringContaining(`delete ${lock}`),
  });
});

test('of twenty that take over at once, one wins', async () => {
  await writeOwner();
  const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder, options)));
  const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
  expect(winners).toHaveLength(1);
  await winners[0]?.value[Symbol.asyncDispose]();
  expect(await readdir(home)).toEqual([]);
});

test('never has two holders, while holders give it back or die', async () => {
  let holders = 0;
  let taken = 0;
  const contend = async () => {
    while (taken < 60) {
      const held = await lockFolder(folder, options).catch((error: { code: string }) => {
        expect(error.code).toBe('database_in_use');
      });
      if (!held) continue;
      holders += 1;
      taken += 1;
      expect(holders).toBe(1);
      await readdir(home);
      holders -= 1;
      if (taken % 2 === 0) await die();
      else await held[Symbol.asyncDispose]();
    }
  };
  await Promise.all(Array.from({ length: 8 }, contend));

  /** Turns the holder into a process that is gone, in one step. */
  async function die(): Promise<void> {
    const draft = join(home, `dead-${randomUUID()}`);
    await writeFile(draft, JSON.stringify({ ...JSON.parse(await readFile(lock, 'utf8')), ...DEAD }));
    await rename(draft, lock);
  }
});

test('a folder that cannot be used is one sentence', async () => {
  await writeFile(folder, '');
  await expect(lockFolder(join(folder, 'pgdata'), options)).rejects.toMatchObject({
    family: 'usage',
    code: 'database_folder_unusable',
    message: expect.stringContaining('part of the path is a file'),
  });
});
