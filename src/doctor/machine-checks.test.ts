import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalProviderConfig } from '../config/provider-config.ts';
import { checkFutureDatabase, hasEmbeddedDatabase } from './database-folder.ts';
import { checkDiskSpace, judgeSpace } from './disk-space.ts';
import { checkModelCache } from './model-cache.ts';
import { checkNodeVersion } from './node-version.ts';

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'vecpipe-doctor-'));
});
afterAll(() => rm(home, { recursive: true }));

test.each([
  ['18.20.8', 'fail'],
  ['20.18.3', 'fail'],
  ['20.19.0', 'ok'],
  ['22.1.0', 'ok'],
  ['26.0.0-nightly', 'ok'],
])('Node.js %s is %s', (version, status) => expect(checkNodeVersion(version).status).toBe(status));

describe('free disk space', () => {
  const MB = 1024 ** 2;
  test.each([
    [63 * MB, 64 * MB, 'fail'],
    [64 * MB, 64 * MB, 'warn'],
    [1023 * MB, 64 * MB, 'warn'],
    [1024 * MB, 64 * MB, 'ok'],
    [1 * MB, null, 'warn'],
  ])('%d bytes where %s are needed is %s', (free, minimumBytes, status) => {
    expect(judgeSpace(free, { shown: '.vecpipe', minimumBytes }).status).toBe(status);
  });

  test('is that of the disk where the folder would be made', async () => {
    const need = { shown: 'it', minimumBytes: null };
    const { found } = await checkDiskSpace(join(home, 'not', 'there'), need);
    expect(found).toMatch(/^[\d.]+ (MB|GB) free for it$/);
    expect(await readdir(home)).toEqual([]);
  });
});

describe('an embedded database that is not there yet', () => {
  test('will be made, and is not made by looking', async () => {
    const folder = join(home, 'future', 'pgdata');
    expect(hasEmbeddedDatabase(folder)).toBe(false);
    expect(await checkFutureDatabase(folder, 'embedded Postgres in x')).toEqual({
      status: 'ok',
      found: 'will be made by the first command that needs it: embedded Postgres in x',
      fix: null,
    });
    expect(await readdir(home)).toEqual([]);
  });

  test('cannot be made below a file, or in a folder with something else', async () => {
    await writeFile(join(home, 'file'), 'x');
    expect(await checkFutureDatabase(join(home, 'file', 'pgdata'), 'it')).toMatchObject({ status: 'fail' });
    await mkdir(join(home, 'other'));
    expect(await checkFutureDatabase(join(home, 'other'), 'it')).toMatchObject({ status: 'ok' });
    await writeFile(join(home, 'other', 'notes.txt'), 'x');
    expect(await checkFutureDatabase(join(home, 'other'), 'it')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('something other') as string,
    });
  });
});

describe('the files of local models', () => {
  const config = (changes: Partial<LocalProviderConfig>) =>
    ({
      kind: 'local',
      name: 'small',
      modelFrom: 'hub',
      model: 'a/b',
      cacheFolder: join(home, 'models'),
      isOffline: false,
      ...changes,
    }) as LocalProviderConfig;

  test('will be downloaded, or have to be there', async () => {
    expect(await checkModelCache(config({}), home)).toMatchObject({
      status: 'ok',
      found: 'models will be made by the first download',
    });
    expect(await checkModelCache(config({ isOffline: true }), home)).toMatchObject({ status: 'fail' });
    expect(
      await checkModelCache(config({ modelFrom: 'folder', model: join(home, 'mine') }), home),
    ).toMatchObject({ status: 'fail', fix: 'correct providers.small.model' });
    await writeFile(join(home, 'plain'), 'x');
    expect(await checkModelCache(config({ cacheFolder: join(home, 'plain', 'models') }), home)).toMatchObject(
      { status: 'fail', fix: expect.stringContaining('providers.small.cache') as string },
    );
  });

  test('are measured', async () => {
    const folder = join(home, 'full');
    await mkdir(join(folder, 'onnx'), { recursive: true });
    await writeFile(join(folder, 'onnx', 'model.onnx'), Buffer.alloc(3 * 1024 ** 2));
    await writeFile(join(folder, 'config.json'), '{}');
    expect(await checkModelCache(config({ cacheFolder: folder, isOffline: true }), home)).toEqual({
      status: 'ok',
      found: 'full holds 3 MB',
      fix: null,
    });
  });
});
