import { expect, test } from 'vitest';
import { parseArrayText } from './array-text.ts';
import { toValueText } from './value-text.ts';

test.each([
  [null, null],
  ['', ''],
  ['text', 'text'],
  [true, 'true'],
  [1.5, '1.5'],
  [[], '{}'],
  [[1, null, true], '{1,NULL,true}'],
  [['a', 'NULL', '', 'a"b\\c,{}'], '{"a","NULL","","a\\"b\\\\c,{}"}'],
])('%j is bound as %j', (value, text) => {
  expect(toValueText(value)).toBe(text);
});

test('an array of texts is read back as it was', () => {
  const texts = ['', ' ', 'NULL', 'a"b', '\\', '\\\\"', '{a,b}', ',', 'line\nbreak', '🙂', null];
  expect(parseArrayText(toValueText(texts) ?? '', (text) => text)).toEqual(texts);
});

test.each([
  ['{}', []],
  ['{a,b}', ['a', 'b']],
  ['{NULL,"NULL"}', [null, 'NULL']],
  [
    '{{a,b},{c,NULL}}',
    [
      ['a', 'b'],
      ['c', null],
    ],
  ],
  ['{{}}', [[]]],
  ['[0:1]={a,b}', ['a', 'b']],
  ['[1:1][2:3]={{a,b}}', [['a', 'b']]],
])('%s is read', (text, elements) => {
  expect(parseArrayText(text, (element) => element)).toEqual(elements);
});
