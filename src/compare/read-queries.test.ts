import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_QUERIES, readQueries } from './read-queries.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-queries-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function readFileOf(content: string | Uint8Array): Promise<string[]> {
  await writeFile(join(folder, 'queries.txt'), content);
  return readQueries('queries.txt', folder, { openStdin: () => Readable.from([]) });
}

describe('queries', () => {
  it('are the lines of a file, trimmed, blank ones and repetitions left out', async () => {
    expect(await readFileOf('\uFEFFcannot pay\r\n\r\n  späte Lieferung \n\ncannot pay\nlast')).toEqual([
      'cannot pay',
      'späte Lieferung',
      'last',
    ]);
    expect(await readFileOf(gzipSync('zipped'))).toEqual(['zipped']);
  });

  it('come from standard input', async () => {
    const openStdin = () => Readable.from([Buffer.from('one\nt'), Buffer.from('wo\n')]);
    expect(await readQueries('-', folder, { openStdin })).toEqual(['one', 'two']);
  });

  it.each<[string, string | Uint8Array, string, string]>([
    ['nothing', '', 'queries_empty', 'queries.txt holds no query (--queries)'],
    ['blank lines', ' \n\t\n', 'queries_empty', 'queries.txt holds no query (--queries)'],
    ['Latin-1', Buffer.from([0x6b, 0xe4, 0x73, 0x65]), 'queries_unreadable', 'queries.txt is not UTF-8 text'],
    ['NUL', 'a\0b', 'queries_unreadable', 'queries.txt is not UTF-8 text'],
    [
      'damaged gzip',
      gzipSync('one\n'.repeat(99)).subarray(0, 20),
      'queries_unreadable',
      'queries.txt is cut off: its gzip data ends too early (--queries)',
    ],
    [
      'more queries than are taken',
      Array.from({ length: MOST_QUERIES + 1 }, (_none, index) => `q${index}`).join('\n'),
      'queries_too_many',
      `queries.txt holds more than ${MOST_QUERIES} queries`,
    ],
    ['one huge line', 'x'.repeat(2 ** 20 + 1), 'queries_too_many', 'queries.txt holds more than'],
  ])('say what is wrong with a file of %s', async (_name, content, code, message) => {
    await expect(readFileOf(content)).rejects.toMatchObject({
      family: 'usage',
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    ['nope.txt', 'there is no file nope.txt (--queries)'],
    ['.', '. is a folder (--queries)'],
  ])('cannot be read from %s', async (path, message) => {
    const reading = readQueries(path, folder, { openStdin: () => Readable.from([]) });
    await expect(reading).rejects.toMatchObject({ family: 'usage', code: 'queries_unreadable', message });
  });

  it('are not waited for once the run is stopped', async () => {
    const stop = new AbortController();
    const stdin = new PassThrough();
    const reading = readQueries('-', folder, { signal: stop.signal, openStdin: () => stdin });
    stop.abort(new Error('stopped'));
    await expect(reading).rejects.toThrow('stopped');
  });
});
