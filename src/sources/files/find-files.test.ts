import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findRecordFiles } from './find-files.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-find-'));
  await mkdir(join(folder, 'sub'));
  await mkdir(join(folder, 'folder.ndjson'));
  const names = [
    'b.ndjson',
    'a.ndjson',
    'B.ndjson',
    'c.csv',
    '[odd] (1).ndjson',
    '.hidden.ndjson',
    'sub/d.ndjson',
  ];
  for (const name of names) await writeFile(join(folder, name), '{}\n');
  await symlink('a.ndjson', join(folder, 'link.ndjson'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function find(...from: string[]): Promise<string[]> {
  return (await findRecordFiles(from, folder)).map((file) => file.name);
}

test('keeps the order given, sorts a glob, and names each file once', async () => {
  expect(await find('c.csv', '[ab].ndjson', './c.csv', '-', 'a.ndjson', '-')).toEqual([
    'c.csv',
    'a.ndjson',
    'b.ndjson',
    'standard input',
  ]);
});

test('a glob finds links, no folders and nothing hidden, and crosses folders only with **', async () => {
  const top = ['B.ndjson', '[odd] (1).ndjson', 'a.ndjson', 'b.ndjson', 'link.ndjson'];
  expect(await find('*.ndjson')).toEqual(top);
  expect(await find('**/*.ndjson')).toEqual([...top, 'sub/d.ndjson']);
  expect(await find('{sub,nowhere}/*.ndjson')).toEqual(['sub/d.ndjson']);
});

test('a path that exists is no glob', async () => {
  expect(await find('[odd] (1).ndjson')).toEqual(['[odd] (1).ndjson']);
});

test('takes absolute paths and globs, and gives absolute paths', async () => {
  const files = await findRecordFiles([join(folder, 'sub/*.ndjson'), 'c.csv'], folder);
  expect(files).toEqual([
    { kind: 'file', path: join(folder, 'sub/d.ndjson'), name: join(folder, 'sub/d.ndjson') },
    { kind: 'file', path: join(folder, 'c.csv'), name: 'c.csv' },
  ]);
});

test('a glob may climb out of the working directory', async () => {
  const files = await findRecordFiles(['../*.csv'], join(folder, 'sub'));
  expect(files).toEqual([{ kind: 'file', path: join(folder, 'c.csv'), name: '../c.csv' }]);
});

test.each([
  ['missing.ndjson', 'record_file_missing', 'missing.ndjson does not exist (--from)'],
  ['a.ndjson/b', 'record_file_missing', 'a.ndjson/b does not exist (--from)'],
  ['', 'record_file_missing', '--from has an empty value'],
  ['sub', 'record_file_is_folder', 'sub is a folder (--from)'],
  ['folder.ndjson', 'record_file_is_folder', 'folder.ndjson is a folder (--from)'],
  ['*.parquet', 'record_glob_no_match', 'no file matches *.parquet (--from)'],
  ['/dev/null', 'record_file_unreadable', '/dev/null is neither a file nor a pipe (--from)'],
])('refuses %j', async (from, code, message) => {
  await expect(findRecordFiles(['c.csv', from], folder)).rejects.toMatchObject({
    family: 'usage',
    code,
    message,
  });
});

test('refuses a file that may not be read', async (context) => {
  const path = join(folder, 'secret.txt');
  await writeFile(path, '{}\n');
  await chmod(path, 0o000);
  if (process.getuid?.() === 0) {
    console.warn('skipped: root may read every file');
    context.skip('root may read every file');
  }
  await expect(findRecordFiles(['secret.txt'], folder)).rejects.toMatchObject({
    code: 'record_file_unreadable',
    message: 'secret.txt cannot be read: EACCES (--from)',
  });
});

test.skipIf(process.platform === 'win32')('a named pipe is told apart from a file', async () => {
  const path = join(folder, 'pipe');
  execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
  expect(await findRecordFiles(['pipe'], folder)).toEqual([{ kind: 'pipe', path, name: 'pipe' }]);
});

test('an abort ends the search with its reason', async () => {
  const reason = new Error('stop');
  await expect(findRecordFiles(['*'], folder, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
