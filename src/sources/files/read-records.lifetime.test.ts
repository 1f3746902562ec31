import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRecordFiles } from './find-files.ts';
import { checkRecordFile, readRecords } from './read-records.ts';
import type { RecordFile } from './record-item.ts';

const LINES = Array.from({ length: 100_000 }, (_, id) => `{"id":${id},"name":"project ${id}"}\n`).join('');
const DESCRIPTORS = '/proc/self/fd';
const canListDescriptors = existsSync(DESCRIPTORS);
if (!canListDescriptors) console.warn(`skipped: open files are counted in ${DESCRIPTORS}, which is not here`);

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-read-'));
  await writeFile(join(folder, 'many.ndjson'), LINES);
  await writeFile(join(folder, 'many.ndjson.gz'), gzipSync(LINES));
  await writeFile(join(folder, 'broken.ndjson.gz'), gzipSync(LINES).subarray(0, 100_000));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileNamed(name: string): Promise<RecordFile> {
  const [file] = await findRecordFiles([name], folder);
  return file!;
}

/** How many descriptors of this process are open on a path. */
async function openDescriptors(path: string): Promise<number> {
  const targets = await Promise.all(
    (await readdir(DESCRIPTORS)).map((descriptor) => readlink(join(DESCRIPTORS, descriptor)).catch(() => '')),
  );
  return targets.filter((target) => target === path).length;
}

describe.skipIf(!canListDescriptors)('the file is closed', () => {
  test.each(['many.ndjson', 'many.ndjson.gz'])('at the end of %s, and was open before', async (name) => {
    const path = join(folder, name);
    let count = 0;
    for await (const item of readRecords(await fileNamed(name))) {
      if (count === 10) expect(await openDescriptors(path)).toBe(1);
      count += 1;
      if (item.line !== count) throw new Error(`record ${count} says line ${item.line}`);
    }
    expect(count).toBe(100_000);
    expect(await openDescriptors(path)).toBe(0);
  });

  test.each(['many.ndjson', 'many.ndjson.gz'])('when the consumer of %s leaves early', async (name) => {
    for await (const item of readRecords(await fileNamed(name))) {
      if (item.line === 5000) break;
    }
    expect(await openDescriptors(join(folder, name))).toBe(0);
  });

  test.each(['many.ndjson', 'many.ndjson.gz'])('when the consumer of %s fails', async (name) => {
    const failure = new Error('the consumer failed');
    const run = async () => {
      for await (const item of readRecords(await fileNamed(name))) if (item.line === 5000) throw failure;
    };
    await expect(run()).rejects.toBe(failure);
    expect(await openDescriptors(join(folder, name))).toBe(0);
  });

  test.each(['many.ndjson', 'many.ndjson.gz'])(
    'when reading %s is aborted half way, with the reason',
    async (name) => {
      const controller = new AbortController();
      const reason = new Error('stop');
      let last = 0;
      const run = async () => {
        for await (const item of readRecords(await fileNamed(name), { signal: controller.signal })) {
          last = item.line;
          if (item.line === 5000) controller.abort(reason);
        }
      };
      await expect(run()).rejects.toBe(reason);
      expect(last).toBe(5000);
      expect(await openDescriptors(join(folder, name))).toBe(0);
    },
  );

  test('when the gzip is cut off', async () => {
    const run = async () => {
      for await (const item of readRecords(await fileNamed('broken.ndjson.gz')))
        expect(item.kind).toBe('record');
    };
    await expect(run()).rejects.toMatchObject({ code: 'record_file_gzip' });
    expect(await openDescriptors(join(folder, 'broken.ndjson.gz'))).toBe(0);
  });

  test('after a check of its start', async () => {
    await checkRecordFile(await fileNamed('many.ndjson.gz'));
    expect(await openDescriptors(join(folder, 'many.ndjson.gz'))).toBe(0);
  });
});

test('an iterator that is never asked opens nothing', async () => {
  let opened = 0;
  const openStdin = () => {
    opened += 1;
    return Readable.from([]);
  };
  await readRecords({ kind: 'stdin', name: 'standard input' }, { openStdin }).return();
  const signal = AbortSignal.abort(new Error('stop'));
  await expect(
    readRecords({ kind: 'stdin', name: 'standard input' }, { openStdin, signal }).next(),
  ).rejects.toThrow('stop');
  expect(opened).toBe(0);
});

test('a file that went away since it was found is a sentence', async () => {
  const path = join(folder, 'gone.ndjson');
  await writeFile(path, '{"id":1}');
  const file = await fileNamed('gone.ndjson');
  await rm(path);
  const failure = { family: 'usage', message: 'gone.ndjson cannot be read: ENOENT (--from)' };
  await expect(readRecords(file).next()).rejects.toMatchObject(failure);
  await expect(checkRecordFile(file)).rejects.toMatchObject(failure);
});

test('the start of a file can be checked before anything is loaded', async () => {
  const contents: [string, string | Buffer, string | null][] = [
    ['fine.ndjson', '{"id":1}', null],
    ['bad-record.ndjson', 'oops', null],
    ['empty.ndjson', '', 'record_file_empty'],
    ['header.csv', 'id,id\n1,2', 'record_file_header'],
    ['wide.csv', Buffer.from('\ufeffid\n1', 'utf16le'), 'record_file_utf16'],
    ['picture.json', Buffer.from('89504e470d0a1a0a00', 'hex'), 'record_file_not_text'],
    ['cut.csv.gz', gzipSync('id\n1\n').subarray(0, 12), 'record_file_gzip'],
  ];
  for (const [name, content, code] of contents) {
    await writeFile(join(folder, name), content);
    const outcome = await checkRecordFile(await fileNamed(name)).catch((error: unknown) => error);
    if (code === null) expect(outcome, name).toBeUndefined();
    else expect(outcome, name).toMatchObject({ family: 'usage', code });
  }
  await checkRecordFile({ kind: 'stdin', name: 'standard input' });
});

describe('standard input', () => {
  const STDIN: RecordFile = { kind: 'stdin', name: 'standard input' };

  test('gives records as they come, and is read no further than the consumer goes', async () => {
    let pulled = 0;
    const chunks = function* () {
      for (; pulled < 1000; pulled += 1) yield Buffer.from(`{"id":${pulled}}\n`);
    };
    const records = readRecords(STDIN, { openStdin: () => Readable.from(chunks()) });
    for (let count = 0; count < 3; count += 1) await records.next();
    expect(pulled).toBeLessThan(10);
    await records.return();
    expect(pulled).toBeLessThan(10);
  });

  test.each([
    ['plain', Buffer.from(LINES)],
    ['gzipped', gzipSync(LINES).subarray(0, 200_000)],
  ])('that waits for more (%s) is left at once, and destroyed', async (_title, bytes) => {
    const stream = new PassThrough();
    stream.write(bytes);
    for await (const item of readRecords(STDIN, { openStdin: () => stream })) if (item.line === 3) break;
    expect(stream.destroyed).toBe(true);
  });

  test.each([
    ['before the first byte', null],
    ['after some records', Buffer.from('{"id":1}\n{"id":2}\n')],
    ['inside gzip', gzipSync(LINES).subarray(0, 20)],
  ])('that waits %s is aborted with the reason', async (_title, bytes) => {
    const stream = new PassThrough();
    if (bytes) stream.write(bytes);
    const controller = new AbortController();
    const reason = new Error('stop');
    const run = async () => {
      for await (const item of readRecords(STDIN, { openStdin: () => stream, signal: controller.signal })) {
        expect(item.kind).toBe('record');
      }
    };
    const running = run();
    setImmediate(() => controller.abort(reason));
    await expect(running).rejects.toBe(reason);
    expect(stream.destroyed).toBe(true);
  });

  test('that fails half way is unavailable, not at its end', async () => {
    const chunks = async function* () {
      yield Buffer.from('{"id":1}\n{"id":2}\n{"id"');
      throw Object.assign(new Error('read failed'), { code: 'EIO' });
    };
    const lines: number[] = [];
    const run = async () => {
      for await (const item of readRecords(STDIN, { openStdin: () => Readable.from(chunks()) }))
        lines.push(item.line);
    };
    await expect(run()).rejects.toMatchObject({
      family: 'unavailable',
      code: 'record_file_read_failed',
      message: 'standard input could not be read to its end: EIO (--from)',
    });
    expect(lines).toEqual([1, 2]);
  });
});

describe.skipIf(process.platform === 'win32')('a named pipe', () => {
  test('is read to its end', async () => {
    execFileSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe.csv')]);
    const file = await fileNamed('pipe.csv');
    await checkRecordFile(file);
    const records = readRecords(file);
    const first = records.next();
    createWriteStream(join(folder, 'pipe.csv')).end(await readFile(join(folder, 'many.ndjson')));
    expect((await first).value).toMatchObject({ line: 1 });
    let last = 0;
    for await (const item of records) last = item.line;
    expect(last).toBe(100_000);
  });

  test('without a writer can be aborted, and is closed', async (context) => {
    const path = join(folder, 'silent');
    execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
    const reason = new Error('stop');
    const controller = new AbortController();
    const next = readRecords(await fileNamed('silent'), { signal: controller.signal }).next();
    setImmediate(() => controller.abort(reason));
    await expect(next).rejects.toBe(reason);
    if (!canListDescriptors) context.skip(`no ${DESCRIPTORS}`);
    expect(await openDescriptors(path)).toBe(0);
  });
});
