import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { readRecords } from './read-records.ts';
import type { RecordItem } from './record-item.ts';

const PIECES = [
  'a', 'Z', '0', ' ', '  ', '"', '""', "'", ',', ';', '\t', '\\', '\\"', '\\u0000', '{', '}', '[', ']', ':', '/',
  '\n', '\r\n', '\r', 'é', '漢字', '😀', '👩🏽‍💻', '\u2028', '\ufeff', '\u0001', 'null', 'true', '-1.5e3', '__proto__',
]; // prettier-ignore

/** Mulberry32: small, seeded, good enough to pick test data. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof createRandom>;

function randomText(random: Random): string {
  return Array.from({ length: random(8) }, () => PIECES[random(PIECES.length)]).join('');
}

function randomValue(random: Random, depth: number): unknown {
  switch (random(depth > 0 ? 8 : 6)) {
    case 0:
      return null;
    case 1:
      return random(2) === 0;
    case 2:
      return random(2 ** 31) - 2 ** 30;
    case 3:
      return (random(2 ** 31) - 2 ** 30) / (1 + random(1000));
    case 4:
    case 5:
      return randomText(random);
    case 6:
      return Array.from({ length: random(4) }, () => randomValue(random, depth - 1));
    default:
      return randomObject(random, depth - 1);
  }
}

function randomObject(random: Random, depth: number): Record<string, unknown> {
  const entries = Array.from({ length: random(5) }, () => [randomText(random), randomValue(random, depth)]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

async function read(content: string, name: string, chunkBytes: number): Promise<RecordItem[]> {
  const bytes = Buffer.from(content);
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
  const items: RecordItem[] = [];
  for await (const item of readRecords({ kind: 'stdin', name }, { openStdin: () => Readable.from(chunks) })) {
    items.push(item);
  }
  return items;
}

function values(items: readonly RecordItem[]): unknown[] {
  return items.map((item) => (item.kind === 'record' ? item.value : item));
}

describe.each([1, 2, 3, 4, 5, 6])('random records, seed %i', (seed) => {
  const random = createRandom(seed);
  const records = Array.from({ length: 200 }, () => randomObject(random, 4));
  const chunkBytes = 1 + random(300);

  test.each([
    ['NDJSON', 'x.ndjson', records.map((record) => JSON.stringify(record)).join('\n')],
    ['NDJSON with CRLF', 'x', records.map((record) => `${JSON.stringify(record)}\r\n`).join('')],
    ['a compact array', 'x.json', JSON.stringify(records)],
    ['a pretty array', 'x', JSON.stringify(records, null, 2)],
    [
      'pretty objects',
      'x.json',
      `{\n"first": 1}\n${records.map((record) => JSON.stringify(record, null, 2)).join('\n')}`,
    ],
  ])('%s reads back equal', async (_title, name, content) => {
    const read1 = values(await read(content, name, chunkBytes));
    expect(content.startsWith('{\n"first"') ? read1.slice(1) : read1).toEqual(records);
  });

  test('lines are those on which the records start', async () => {
    const pretty = JSON.stringify(records, null, 1);
    let line = 2;
    const expected = records.map((record) => {
      const start = line;
      line += JSON.stringify(record, null, 1).split('\n').length;
      return start;
    });
    expect((await read(pretty, 'x.json', chunkBytes)).map((item) => item.line)).toEqual(expected);
  });

  test.each([',', ';', '\t'])('CSV with %j between fields reads back equal', async (delimiter) => {
    const quote = (text: string) =>
      text === '' || /["\r\n,;\t]/.test(text) || random(4) === 0 ? `"${text.replaceAll('"', '""')}"` : text;
    const header = ['id', 'name', `odd${delimiter}name`, '__proto__'];
    const rows = Array.from({ length: 200 }, (_, index) => [
      `${index}`,
      ...header.slice(1).map(() => randomText(random)),
    ]);
    const lineEnd = ['\n', '\r\n', '\r'][random(3)] ?? '\n';
    const content = [header, ...rows].map((row) => row.map(quote).join(delimiter)).join(lineEnd);
    const expected = rows.map((row) =>
      header.map((name, index) => [name, row[index] === '' ? null : row[index]]),
    );
    const items = await read(content, 'x.csv', chunkBytes);
    expect(values(items).map((value) => Object.entries(value as object))).toEqual(expected);
  });
});
