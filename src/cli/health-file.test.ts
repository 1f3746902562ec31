import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RunEvent } from '../ports/run-events.ts';
import { HealthFile } from './health-file.ts';
import type { Health } from './health-file.ts';

let folder: string;
let stop: AbortController;
let said: RunEvent[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-health-'));
  stop = new AbortController();
  said = [];
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

const open = (path = 'health.json', beatMs?: number) =>
  HealthFile.open(path, {
    runId: 'b8c5',
    workingDirectory: folder,
    stop: stop.signal,
    report: (event) => said.push(event),
    ...(beatMs !== undefined && { beatMs }),
  });
const read = async (path = 'health.json') => JSON.parse(await readFile(join(folder, path), 'utf8')) as Health;

test('says from the beginning what the run does, and is gone with it', async () => {
  const file = await open();
  expect(await read()).toEqual({
    state: 'starting',
    pid: process.pid,
    runId: 'b8c5',
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    lastPassAt: null,
    lastError: null,
  });
  file.set({ state: 'waiting', lastPassAt: '2026-01-01T00:00:00.000Z', lastError: 'it is broken' });
  await expect
    .poll(() => read())
    .toMatchObject({
      state: 'waiting',
      lastPassAt: '2026-01-01T00:00:00.000Z',
      lastError: 'it is broken',
    });
  await file[Symbol.asyncDispose]();
  await file[Symbol.asyncDispose]();
  file.set({ state: 'idle' });
  expect(await readdir(folder)).toEqual([]);
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
});

test('is written again where nothing changes', async () => {
  await using _file = await open('health.json', 5);
  const { at } = await read();
  await expect.poll(async () => (await read()).at).not.toBe(at);
});

test('holds the last of many changes, and never a part of one', async () => {
  await using file = await open();
  const seen: Health[] = [];
  for (let count = 1; count <= 200; count += 1) {
    file.set({ state: 'idle', lastError: `${count}`.repeat(count) });
    if (count % 10 === 0) seen.push(await read());
  }
  await expect.poll(async () => (await read()).lastError).toBe('200'.repeat(200));
  expect(seen).toHaveLength(20);
});

test('says that the run is stopping, whatever is still done', async () => {
  await using file = await open();
  stop.abort();
  await expect.poll(() => read()).toMatchObject({ state: 'stopping' });
  file.set({ state: 'working', lastError: 'late' });
  await expect.poll(() => read()).toMatchObject({ state: 'stopping', lastError: 'late' });
});

test('of an earlier run that died is replaced, and so is an empty one', async () => {
  const health = JSON.stringify({ state: 'idle', pid: 1, runId: 'old' } satisfies Partial<Health>);
  for (const left of [health, '']) {
    await writeFile(join(folder, 'health.json'), left);
    await using _file = await open();
    expect((await read()).runId).toBe('b8c5');
  }
});

test.each([
  ['nowhere/health.json', 'there is no such folder'],
  ['notes.txt/health.json', 'part of the path is a file'],
  ['.', 'it is a folder'],
  ['full', 'it is a folder'],
  ['notes.txt', 'it is there already and is no health file'],
])('at %s is refused at once, and nothing is left there', async (path, reason) => {
  await writeFile(join(folder, 'notes.txt'), 'mine');
  await mkdir(join(folder, 'full'));
  await writeFile(join(folder, 'full', 'notes.txt'), 'mine');
  await expect(open(path)).rejects.toMatchObject({
    family: 'usage',
    code: 'health_file_unwritable',
    message: `the health file ${path} (--health-file) cannot be written: ${reason}`,
  });
  expect((await readdir(folder)).toSorted()).toEqual(['full', 'notes.txt']);
  expect(await readFile(join(folder, 'notes.txt'), 'utf8')).toBe('mine');
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
});

test('that cannot be written any more is a warning, once, and the run goes on', async () => {
  const file = await open('health.json', 5);
  await rename(folder, `${folder}-away`);
  await vi.waitFor(() => expect(said).not.toEqual([]));
  file.set({ state: 'idle' });
  await rename(`${folder}-away`, folder);
  await expect.poll(() => read().catch(() => null)).toMatchObject({ state: 'idle' });
  await file[Symbol.asyncDispose]();
  expect(said).toEqual([
    { type: 'warning', message: 'the health file could not be written: there is no such folder' },
  ]);
});
