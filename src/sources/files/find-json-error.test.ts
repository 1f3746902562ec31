import { expect, test } from 'vitest';
import { findJsonError } from './find-json-error.ts';

test.each([
  ['', 0, 'the record ends too early'],
  ['{"id": 1', 8, 'the record ends too early'],
  ['{"id": "x', 9, 'the record ends too early'],
  ['{"id": "x\\', 10, 'the record ends too early'],
  ['{id: 1}', 1, 'expected a field name in double quotes'],
  ['{"id": 1,}', 9, 'expected a field name in double quotes'],
  ['{"id" 1}', 6, 'expected a colon'],
  ['{"id": 1 "key": 2}', 9, "expected ',' or '}'"],
  ['{"id": [1 2]}', 10, "expected ',' or ']'"],
  ['{"id": }', 7, 'expected a value'],
  ['{"id": 01}', 8, "expected ',' or '}'"],
  ['{"id": NaN}', 7, 'expected a value'],
  ['{"id": "a\tb"}', 9, 'a control character inside a text'],
  [String.raw`{"id": "\x"}`, 8, 'a backslash that starts no escape'],
  ['{"id": 1}}', 9, 'something follows the record'],
])('%j stops being JSON at %i', (text, position, problem) => {
  expect(findJsonError(text)).toEqual({ position, problem });
});

test('agrees with JSON.parse on every text one edit away from JSON', () => {
  const valid = String.raw`{"a":[1,-2.5e+3,0,{}],"b":{"c":null,"d":[true,false,[]]},"e":"x\"\\\u00e9\n","f":"" }`;
  const edits = ['', ...Array.from(' \t\n{}[]":,0-.eE+tn\\u\u0001x')];
  let refused = 0;
  for (let index = 0; index <= valid.length; index += 1) {
    for (const edit of edits) {
      for (const removed of [0, 1]) {
        const text = valid.slice(0, index) + edit + valid.slice(index + removed);
        const error = findJsonError(text);
        expect(error === null, text).toBe(isJson(text));
        if (error) refused += 1;
      }
    }
  }
  expect(refused).toBeGreaterThan(1000);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
