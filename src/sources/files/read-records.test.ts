import { readdir, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { READY_MADE_ENTITIES } from '../../entities/ready-made.ts';
import { readRecords } from './read-records.ts';
import { MAX_RECORD_BYTES } from './record-item.ts';
import type { RecordItem } from './record-item.ts';
import { createRecordValidator } from './validate-record.ts';

const FIXTURES = new URL('../../../fixtures/', import.meta.url);

/** Reads bytes as if they came from a file of that name, in chunks of a size. */
async function read(content: string | Buffer, name = 'input', chunkBytes = Infinity): Promise<RecordItem[]> {
  const bytes = Buffer.from(content);
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    chunks.push(bytes.subarray(start, start + chunkBytes));
  }
  const items: RecordItem[] = [];
  for await (const item of readRecords({ kind: 'stdin', name }, { openStdin: () => Readable.from(chunks) })) {
    items.push(item);
  }
  return items;
}

/** `line:value` for a record, `line:code` for a bad one. */
async function outline(content: string | Buffer, name?: string, chunkBytes?: number): Promise<string[]> {
  const items = await read(content, name, chunkBytes);
  return items.map((item) => `${item.line}:${item.kind === 'bad' ? item.code : JSON.stringify(item.value)}`);
}

async function failure(content: string | Buffer, name = 'input'): Promise<unknown> {
  return read(content, name).then(
    () => null,
    (error: unknown) => error,
  );
}

describe('chunk boundaries change nothing', async () => {
  const names = (await readdir(FIXTURES)).filter((name) => /\.(?:ndjson|csv|json)$/.test(name));

  test('there is a fixture of each format', () => {
    expect(names.sort()).toEqual([
      'awkward.ndjson',
      'bad-projects.ndjson',
      'projects.ndjson',
      'statuses.json',
      'wits.csv',
    ]);
  });

  test.each(names)('%s', async (name) => {
    const bytes = await readFile(new URL(name, FIXTURES));
    const whole = await read(bytes, name);
    expect(whole.length).toBeGreaterThan(10);
    for (const chunkBytes of [1, 2, 3, 7]) expect(await read(bytes, name, chunkBytes)).toEqual(whole);
    const zipped = gzipSync(bytes);
    for (const chunkBytes of [1, 7, Infinity])
      expect(await read(zipped, `${name}.gz`, chunkBytes)).toEqual(whole);
    // Nothing but the content tells the format here.
    expect(await read(bytes, 'standard input', 3)).toEqual(whole);
  });

  test.each([
    ['{"id":1,"s":"😀é漢"}\r\n\r\n{"id":2,"s":"a\\"}b\\\\"}\r\n{bad}', 'a.ndjson'],
    ['\ufeff [ {"id":1,"s":"😀]},"} ,\r\n\t[1,[2,"]"]], 5 ,{"a":{"b":[{}]}}\n]\n', 'a.json'],
    ['\ufeffid,s\r\n1,"😀\r\n""q"", é"\r\n\r\n2,漢\r3,x\n4,a"b\n5,"a"b\n6\n7,"y"', 'a.csv'],
  ])('%j', async (content, name) => {
    const whole = await read(content, name);
    const size = Buffer.byteLength(content);
    for (let chunkBytes = 1; chunkBytes < size; chunkBytes += 1) {
      expect(await read(content, name, chunkBytes), `chunks of ${chunkBytes}`).toEqual(whole);
    }
  });
});

describe('the fixtures', () => {
  test.each([
    ['projects', 'projects.ndjson', 25],
    ['wits', 'wits.csv', 14],
    ['statuses', 'statuses.json', 14],
    ['projects', 'awkward.ndjson', 22],
  ])('every record of %s in %s is valid, and ids differ', async (entity, name, count) => {
    const shape = READY_MADE_ENTITIES.find((each) => each.name === entity)?.record ?? [];
    const validate = createRecordValidator(shape);
    const results = (await read(await readFile(new URL(name, FIXTURES)), name)).map((item) =>
      item.kind === 'bad' ? { problems: `${item.line}: ${item.reason}` } : validate(item.value),
    );
    expect(results.filter((result) => 'problems' in result)).toEqual([]);
    expect(new Set(results.map((result) => ('id' in result ? result.id : ''))).size).toBe(count);
  });

  test('the bad records each tell their own reason, and the good ones among them are read', async () => {
    const validate = createRecordValidator(READY_MADE_ENTITIES[0]?.record ?? []);
    const items = await read(await readFile(new URL('bad-projects.ndjson', FIXTURES)), 'bad-projects.ndjson');
    const told = items.map((item) => {
      if (item.kind === 'bad') return `${item.line} ${item.code}: ${item.reason}`;
      const result = validate(item.value);
      return 'problems' in result ? `${item.line} ${result.problems}` : `${item.line} good ${result.id}`;
    });
    expect(told).toMatchInlineSnapshot(`
      [
        "1 good 30001",
        "2 invalid_json: not valid JSON at character 63 of the record: the record ends too early",
        "4 invalid_json: not valid JSON at character 58 of the record: expected a field name in double quotes",
        "5 invalid_json: not valid JSON at character 2 of the record: expected a field name in double quotes",
        "6 not_an_object: expected an object, got a list",
        "7 not_an_object: expected an object, got a text",
        "8 not_an_object: expected an object, got null",
        "9 invalid_utf8: the record holds bytes that are not UTF-8",
        "10 nul_character: name: holds the NUL character, which Postgres cannot store",
        "11 lone_surrogate: name: holds half of a surrogate pair, which is no character",
        "12 number_out_of_range: budget: the number is too large to be kept",
        "13 nested_too_deep: tree.0.0.0.…: nested deeper than 100 levels",
        "14 id: required",
        "15 id: required",
        "16 id: a number with a fraction or exponent is not exact; write it in quotes",
        "17 key: required",
        "18 name: required",
        "19 name: expected text, got a list; description: expected text, got an object; updated_at: expected an ISO 8601 date or time such as 2026-03-01T09:30:00Z",
        "20 updated_at: expected an ISO 8601 date or time such as 2026-03-01T09:30:00Z",
        "21 tenant_id: expected text or a whole number, got a list",
        "22 invalid_json: not valid JSON at character 52 of the record: something follows the record",
        "23 good 30023",
      ]
    `);
  });
});

describe('which format it is', () => {
  const one = ['1:{"id":1}'];

  test.each([
    ['an object on one line', '{"id":1}', 'x', one],
    ['an object over several lines', '\n{\n  "id": 1\n}\n', 'x.ndjson', ['2:{"id":1}']],
    [
      'an object whose first line has a field already',
      '{ "id": 1,\n  "a": {\n } }',
      'x.json',
      ['1:{"id":1,"a":{}}'],
    ],
    [
      'an object whose first line ends in a bracket',
      '{"a": [\n{"b":1}], "id":1}',
      'x',
      ['1:{"a":[{"b":1}],"id":1}'],
    ],
    [
      'objects over several lines, one after another',
      '{\n"id":1}\n{\n"id":2\n}',
      'x',
      ['1:{"id":1}', '3:{"id":2}'],
    ],
    ['an array on one line', '[{"id":1},{"id":2}]', 'x', ['1:{"id":1}', '1:{"id":2}']],
    ['an array in a file named NDJSON', '[{"id":1},\n{"id":2}]', 'x.ndjson', ['1:{"id":1}', '2:{"id":2}']],
    ['arrays one after another', '[{"id":1}]\n[{"id":2}]', 'x.json', ['1:{"id":1}', '2:{"id":2}']],
    ['NDJSON that starts with a list', '[1]\n{"id":2}', 'x.ndjson', ['1:not_an_object', '2:{"id":2}']],
    [
      'NDJSON that starts with a cut line',
      '{"id":1,\n{"id":2}',
      'x.ndjson',
      ['1:invalid_json', '2:{"id":2}'],
    ],
    ['NDJSON that starts with a cut text', '{"id":"1\n{"id":2}', 'x', ['1:invalid_json', '2:{"id":2}']],
    ['NDJSON that starts with anything', 'oops, no\n{"id":2}', 'x', ['1:invalid_json', '2:{"id":2}']],
    ['NDJSON in a file named CSV', '{"id":1}\n{"id":2}', 'x.csv', ['1:{"id":1}', '2:{"id":2}']],
    ['CSV with commas', 'id,a;b\n1,2', 'x', ['2:{"id":"1","a;b":"2"}']],
    ['CSV with semicolons', 'id;"a,b,c"\n1;2', 'x.csv', ['2:{"id":"1","a,b,c":"2"}']],
    ['CSV with tabs', 'id\tname\n1\tx, y', 'x.tsv', ['2:{"id":"1","name":"x, y"}']],
    ['CSV with quoted names over two lines', '"id","a\nb"\n1,2', 'x', ['3:{"id":"1","a\\nb":"2"}']],
    ['CSV whose names are in brackets', '[id],[n]\n1,2', 'x.csv', ['2:{"[id]":"1","[n]":"2"}']],
    ['CSV of one column', 'id\n1\n', 'x', ['2:{"id":"1"}']],
  ])('%s', async (_title, content, name, expected) => {
    expect(await outline(content, name)).toEqual(expected);
    expect(await outline(content, name, 1)).toEqual(expected);
  });

  test('several gzip members are one file', async () => {
    const members = Buffer.concat([gzipSync('{"id":1}\n{"id"'), gzipSync(':2}\n')]);
    expect(await outline(members)).toEqual(['1:{"id":1}', '2:{"id":2}']);
  });
});

describe('JSON arrays', () => {
  test.each([
    ['a broken element', '[{"id":1},\n{"id":},\n{"id":3}]', ['1:{"id":1}', '2:invalid_json', '3:{"id":3}']],
    // It swallows a brace, and with it the end of the array.
    ['a text that is not closed', '[\n{"id":"1},\n{"id":2}\n]', ['2:invalid_json', '4:invalid_json']],
    [
      'a text that is not closed on a line of its own',
      '[\n{\n"id":"1\n},\n{"id":2}\n]',
      ['2:invalid_json', '5:{"id":2}'],
    ],
    ['brackets that do not match', '[{"id":1],{"id":2}]', ['1:invalid_json', '1:{"id":2}']],
    ['a brace too many', '[{"id":1}},{"id":2}]', ['1:invalid_json', '1:{"id":2}']],
    [
      'a comma too many',
      '[{"id":1},,{"id":2},]',
      ['1:{"id":1}', '1:invalid_json', '1:{"id":2}', '1:invalid_json'],
    ],
    ['no comma', '[{"id":1}\n{"id":2}]', ['1:invalid_json']],
    ['what is no object', '[1,"a",null,[{"id":1}],true]', Array.from({ length: 5 }, () => '1:not_an_object')],
    ['an end between records', '[{"id":1},\n', ['1:{"id":1}', '2:invalid_json']],
    ['an end after a record', '[{"id":1}\n', ['1:{"id":1}', '2:invalid_json']],
    ['an end inside a record', '[{"id":1},{"id":', ['1:{"id":1}', '1:invalid_json']],
    ['an end inside a text', '[{"id":1},"x', ['1:{"id":1}', '1:invalid_json']],
    ['something after it', '[{"id":1}]\nx "y\n{"id":2}', ['1:{"id":1}', '2:invalid_json', '3:{"id":2}']],
  ])('with %s', async (_title, content, expected) => {
    expect(await outline(content, 'x.json')).toEqual(expected);
    expect(await outline(content, 'x.json', 1)).toEqual(expected);
  });

  test('an array that is cut off says where it started', async () => {
    expect((await read('\n[{"id":1},', 'x.json')).at(-1)).toEqual({
      kind: 'bad',
      line: 2,
      code: 'invalid_json',
      reason: 'the file ends inside the array that starts on line 2',
    });
  });

  test('an error inside an element of several lines is told with its line in the file', async () => {
    expect(await read('[\n{\n  "id": 1,\n  "a" 2\n}]', 'x.json')).toEqual([
      {
        kind: 'bad',
        line: 2,
        code: 'invalid_json',
        reason: 'not valid JSON at line 4, character 7: expected a colon',
      },
    ]);
  });
});

describe('CSV', () => {
  test('keeps texts as they are, with null for an empty cell', async () => {
    const content = 'id,a,b,__proto__\r\n007," x ","line\r\nend",p\r\n2,,"",\r\n';
    const items = await read(content, 'x.csv');
    expect(items.map((item) => (item.kind === 'record' ? Object.entries(item.value) : item))).toEqual([
      [
        ['id', '007'],
        ['a', ' x '],
        ['b', 'line\r\nend'],
        ['__proto__', 'p'],
      ],
      [
        ['id', '2'],
        ['a', null],
        ['b', null],
        ['__proto__', null],
      ],
    ]);
  });

  test('counts lines through quoted line ends of every kind', async () => {
    const content = 'id,a\n1,"x\n\n"\n\n2,"\r\n\r"\r\n3,z\r4,z\n';
    expect((await read(content, 'x.csv')).map((item) => item.line)).toEqual([2, 6, 9, 10]);
  });

  test('sets aside what does not fit and goes on', async () => {
    const content = 'id,a\n1\n2,x,y\n3,"x"y\n4,x"y\n5,x\n,\n6,"x\ny"z\n7,x\n8,"never closed\n9,x\n';
    const items = await read(content, 'x.csv');
    expect(items.map((item) => `${item.line} ${item.kind === 'bad' ? item.reason : 'good'}`)).toEqual([
      '2 expected 2 fields as in the header, got 1',
      '3 expected 2 fields as in the header, got 3',
      '4 something follows a closing quote; a quote inside a quoted field is written twice',
      '5 a quote inside a field that does not start with one; put the whole field in quotes',
      '6 good',
      '8 something follows a closing quote; a quote inside a quoted field is written twice',
      '10 good',
      '11 a quote that opens in this record is not closed before the end of the file',
    ]);
  });

  test('bytes that are not UTF-8 and NUL concern their record only', async () => {
    const content = Buffer.concat([
      Buffer.from('id,name\n1,a\n2,Caf'),
      Buffer.from([0xe9]),
      Buffer.from('\n3,\u0000\n4,b\n'),
    ]);
    expect(await outline(content, 'x.csv')).toEqual([
      '2:{"id":"1","name":"a"}',
      '3:invalid_utf8',
      '4:nul_character',
      '5:{"id":"4","name":"b"}',
    ]);
  });

  test.each([
    ['id,name,id\n1,2,3\n', 'the header of x.csv has the same name for fields 1 and 3 (--from)'],
    ['id, id\n1,2\n', 'the header of x.csv has the same name for fields 1 and 2 (--from)'],
    ['id,,name\n1,2,3\n', 'the header of x.csv has no name for field 2 (--from)'],
    ['id,name,\n1,2,\n', 'the header of x.csv has no name for field 3 (--from)'],
    ['id,"name\n1,2\n', 'the header of x.csv cannot be read as CSV (--from)'],
    ['id,na"me\n1,2\n', 'the header of x.csv cannot be read as CSV (--from)'],
  ])('refuses the header of %j', async (content, message) => {
    expect(await failure(content, 'x.csv')).toMatchObject({
      family: 'usage',
      code: 'record_file_header',
      message,
    });
  });
});

describe('what JSON cannot give to Postgres', () => {
  test.each([
    [String.raw`{"a":{"b":["x","\u0000"]}}`, 'nul_character', 'a.b.1: holds the NUL character'],
    [String.raw`{"a\u0000b":1}`, 'nul_character', 'a field name holds the NUL character'],
    [String.raw`{"o":{"\udc00":1}}`, 'lone_surrogate', 'o: a field name holds half of a surrogate pair'],
    [String.raw`{"a":"\ud83d x"}`, 'lone_surrogate', 'a: holds half'],
    [String.raw`{"not a plain name":"\ud83d"}`, 'lone_surrogate', '(a field): holds half'],
    ['{"a":{"b":-1e400}}', 'number_out_of_range', 'a.b: the number is too large'],
    [`{"a":1${'0'.repeat(400)}}`, 'number_out_of_range', 'a: the number is too large'],
    [`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'nested_too_deep', 'a.0.0.0.…: nested deeper'],
  ])('%s', async (content, code, reason) => {
    const [bad, good] = await read(`${content}\n{"id":1}`, 'x.ndjson');
    expect(bad).toMatchObject({
      kind: 'bad',
      line: 1,
      code,
      reason: expect.stringContaining(reason) as string,
    });
    expect(good).toMatchObject({ kind: 'record', line: 2 });
  });

  test('pairs of escaped surrogates, and escapes that only look like NUL, are fine', async () => {
    const content = String.raw`{"a":"\ud83d\ude80","b":"\\u0000","c":"\ufffd"}`;
    expect(await read(content)).toEqual([
      { kind: 'record', line: 1, value: { a: '🚀', b: String.raw`\u0000`, c: '\ufffd' } },
    ]);
  });

  test('whole numbers keep every digit', async () => {
    const [item] = await read('{"id":12345678901234567890,"in":[9007199254740993],"f":0.1}');
    expect(item).toMatchObject({ value: { id: 12345678901234567890n, in: [9007199254740993n], f: 0.1 } });
  });

  test('a field called __proto__ is a field', async () => {
    const [item] = await read('{"__proto__":{"polluted":true},"id":1}');
    expect(item?.kind === 'record' && Object.keys(item.value)).toEqual(['__proto__', 'id']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('reasons carry nothing of the row', () => {
  test.each([
    ['{"id":1,"name":"s3cret" s3cret}', 'x.ndjson'],
    ['{"id":1,"name":"s3cret', 'x.ndjson'],
    ['s3cret', 'x.ndjson'],
    ['"s3cret"', 'x.ndjson'],
    [String.raw`{"s3cret name":"s3cret \u0000"}`, 'x.ndjson'],
    ['[{"s3cret":s3cret}]', 'x.json'],
    ['id,name\n1,"s3cret"s3cret\n', 'x.csv'],
    ['id,name\n1,s3"cret\n', 'x.csv'],
    ['id,name\ns3cret\n', 'x.csv'],
    ['id,name\n1,"s3cret\n', 'x.csv'],
  ])('%j', async (content, name) => {
    const items = await read(content, name);
    expect(items.map((item) => item.kind)).toEqual(['bad']);
    expect(JSON.stringify(items)).not.toContain('cret');
  });
});

describe('a record over the limit', () => {
  const large = 'x'.repeat(5_000_000);

  test.each([
    ['NDJSON', `{"id":1}\n{"id":2,"a":"${large}"}\n{"id":3}\n`, 'x.ndjson', ['1', '2 bad 5,000,015', '3']],
    [
      'a JSON array',
      `[{"id":1},\n{"id":2,"a":"${large}"},\n{"id":3}]`,
      'x.json',
      ['1', '2 bad 5,000,015', '3'],
    ],
    ['CSV', `id,a\n1,x\n2,"${large}"\n3,x\n`, 'x.csv', ['2', '3 bad 5,000,004', '4']],
    ['NDJSON at its end', `{"id":1}\n{"id":2,"a":"${large}`, 'x.ndjson', ['1', '2 bad 5,000,013']],
  ])('is set aside with its size in %s, and the next is read', async (_title, content, name, expected) => {
    for (const chunkBytes of [65_536, 1_000_003, Infinity]) {
      const items = await read(content, name, chunkBytes);
      const told = items.map((item) =>
        item.kind === 'record'
          ? `${item.line}`
          : `${item.line} bad ${/has (\S+) bytes/.exec(item.reason)?.[1]}`,
      );
      expect(told).toEqual(expected);
    }
  });

  test('the limit is exactly 4 MiB', async () => {
    const fill = 'x'.repeat(MAX_RECORD_BYTES - '{"a":""}'.length);
    const items = await read(`{"a":"${fill}"}\n{"a":"${fill}x"}\n`, 'x.ndjson', 65_536);
    expect(items.map((item) => item.kind)).toEqual(['record', 'bad']);
    expect(items[1]).toMatchObject({
      code: 'record_too_large',
      reason: 'the record has 4,194,305 bytes; the limit is 4,194,304 (4 MiB)',
    });
  });

  test.each([
    ['x.ndjson', '{"a":"', '"}\n{"id":1}'],
    ['x.json', '[{"a":"', '"},{"id":1}]'],
    ['x.csv', 'id\n"', '"\n1\n'],
  ])('is not held in memory, however large it is (%s)', async (name, before, after) => {
    const filler = Buffer.alloc(256 * 1024, 'x');
    let peak = 0;
    const start = process.memoryUsage().arrayBuffers;
    const chunks = function* () {
      yield Buffer.from(before);
      for (let count = 0; count < 256; count += 1) {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - start);
        yield filler;
      }
      yield Buffer.from(after);
    };
    const items: RecordItem[] = [];
    for await (const item of readRecords(
      { kind: 'stdin', name },
      { openStdin: () => Readable.from(chunks()) },
    )) {
      items.push(item);
    }
    expect(items.map((item) => item.kind)).toEqual(['bad', 'record']);
    expect(peak).toBeLessThan(24 * 1024 * 1024);
  });
});

describe('a file as a whole is refused', () => {
  const utf16 = Buffer.from('{"id":1,"name":"x"}\n', 'utf16le');
  const utf16BigEndian = Buffer.from(utf16).swap16();
  const mark = Buffer.from([0xff, 0xfe]);
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

  test.each([
    ['nothing', '', 'x.ndjson', 'record_file_empty', 'x.ndjson has no records (--from)'],
    ['one byte', '\n', 'x', 'record_file_empty', 'x has no records (--from)'],
    ['a mark only', '\ufeff', 'x.csv', 'record_file_empty', 'x.csv has no records (--from)'],
    ['blank lines', ' \n\r\n\t\n', 'x.json', 'record_file_empty', 'x.json has no records (--from)'],
    ['an empty array', '[\n]\n', 'x.json', 'record_file_empty', 'x.json has no records (--from)'],
    ['a header only', 'id,name\n\n,\n', 'x.csv', 'record_file_empty', 'x.csv has no records (--from)'],
    ['gzip of nothing', gzipSync(''), 'x.gz', 'record_file_empty', 'x.gz has no records (--from)'],
    ['UTF-16', Buffer.concat([mark, utf16]), 'x', 'record_file_utf16', 'x is in UTF-16'],
    ['UTF-16 without a mark', utf16, 'x', 'record_file_utf16', 'x is in UTF-16'],
    ['UTF-16 big-endian without a mark', utf16BigEndian, 'x', 'record_file_utf16', 'x is in UTF-16'],
    [
      'UTF-16 in gzip',
      gzipSync(Buffer.concat([mark, utf16])),
      'x.gz',
      'record_file_utf16',
      'x.gz is in UTF-16',
    ],
    ['a picture', png, 'x.csv', 'record_file_not_text', 'x.csv is not UTF-8 text'],
    [
      'a zip archive',
      'PK\u0003\u0004\u0014\u0000\u0006',
      'x.csv',
      'record_file_not_text',
      'x.csv is not UTF-8 text',
    ],
    ['NUL in the first record', '{"id":"\u0000"}', 'x', 'record_file_not_text', 'x is not UTF-8 text'],
    [
      'a Latin-1 header',
      Buffer.from('id,prénom\n1,x', 'latin1'),
      'x',
      'record_file_not_text',
      'x is not UTF-8 text',
    ],
    ['gzip in gzip', gzipSync(gzipSync('{}')), 'x.gz', 'record_file_not_text', 'x.gz is not UTF-8 text'],
  ])('for %s', async (_title, content, name, code, message) => {
    expect(await failure(content, name)).toMatchObject({
      family: 'usage',
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  test('a truncated or damaged gzip is an error at its end, never an early end of the records', async () => {
    const lines = Array.from({ length: 20_000 }, (_, id) =>
      JSON.stringify({ id, text: `${id * 7919}` }),
    ).join('\n');
    const zipped = gzipSync(lines);
    const items: RecordItem[] = [];
    const readInto = async (bytes: Buffer) => {
      const file = { kind: 'stdin', name: 'x.ndjson.gz' } as const;
      for await (const item of readRecords(file, { openStdin: () => Readable.from([bytes]) }))
        items.push(item);
    };
    await expect(readInto(zipped.subarray(0, zipped.length >> 1))).rejects.toMatchObject({
      family: 'usage',
      code: 'record_file_gzip',
      message: 'x.ndjson.gz is cut off: its gzip data ends too early (--from)',
    });
    // What was read is whole records; the one at the cut is not taken for a record.
    expect(items.length).toBeGreaterThan(1000);
    expect(items.every((item) => item.kind === 'record')).toBe(true);

    await expect(readInto(zipped.subarray(0, 4))).rejects.toMatchObject({ code: 'record_file_gzip' });
    const damaged = Buffer.from(zipped);
    damaged.fill(0xff, 5000, 5100);
    await expect(readInto(damaged)).rejects.toMatchObject({
      code: 'record_file_gzip',
      message: 'x.ndjson.gz is damaged: its gzip data cannot be read (--from)',
    });
  });
});
