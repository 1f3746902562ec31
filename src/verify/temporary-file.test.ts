import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SpilledList } from './spilled-list.ts';
import { TemporaryFile } from './temporary-file.ts';

it('gives back what was written, and has no name while it is open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-test-'));
  try {
    await using file = await TemporaryFile.open(folder);
    expect(await readdir(folder)).toEqual([]);
    const places = [await file.append(Buffer.from('one')), await file.append(Buffer.from('and two'))];
    const texts: string[] = [];
    for (const place of places) {
      const bytes = Buffer.alloc(place.length);
      await file.read(place, bytes);
      texts.push(bytes.toString());
    }
    expect(texts).toEqual(['one', 'and two']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('says in one sentence why there can be none', async () => {
  await expect(TemporaryFile.open('/does/not/exist')).rejects.toMatchObject({
    family: 'unavailable',
    code: 'temporary_file_failed',
    message: 'a temporary file in /does/not/exist cannot be used: there is no such folder',
  });
});

it.each([1, 50, 1_000_000])('keeps a list in order, with %i bytes in memory', async (memoryBytes) => {
  await using list = new SpilledList<{ number: number; text: string }>(memoryBytes);
  const items = Array.from({ length: 25 }, (_none, number) => ({ number, text: 'ü\n"' }));
  for (const item of items) await list.push(item);
  expect(list.length).toBe(25);
  const groups: (typeof items)[] = [];
  for await (const group of list.groups(10)) groups.push(group);
  expect(groups.map((group) => group.length)).toEqual([10, 10, 5]);
  // May be read as often as one likes.
  const again: typeof items = [];
  for await (const item of list.items()) again.push(item);
  expect([groups.flat(), again]).toEqual([items, items]);
});
