import { expect, test } from 'vitest';
import { parseWithExactIntegers, stringifyExactly } from './exact-integers.ts';

test('keeps every digit of whole numbers that a double would round', () => {
  const text = '{"a":9007199254740993,"b":[-12345678901234567890,{"c":100000000000000000001}],"d":1}';
  expect(parseWithExactIntegers(text)).toEqual({
    a: 9007199254740993n,
    b: [-12345678901234567890n, { c: 100000000000000000001n }],
    d: 1,
  });
});

test.each([
  '{"a":1,"b":2.5}',
  '{"a":9007199254740991,"b":-9007199254740991}',
  '{"a":"12345678901234567890"}',
  String.raw`{"a":"\\","b":"x\"12345678901234567890"}`,
  '{"a":0.12345678901234567890,"b":1.2345678901234567e20}',
])('leaves %s to the ordinary parser', (text) => {
  expect(parseWithExactIntegers(text)).toBeNull();
});

test('does not take digits in texts and names for numbers', () => {
  const text = String.raw`{"12345678901234567890":"\\\"99999999999999999999\\","n":12345678901234567890}`;
  expect(parseWithExactIntegers(text)).toEqual({
    '12345678901234567890': '\\"99999999999999999999\\',
    n: 12345678901234567890n,
  });
});

test('writes big integers as numbers, and texts that look like their stand-ins as texts', () => {
  const text = stringifyExactly({
    n: 12345678901234567890n,
    s: String.raw`\u00005`,
    q: '"',
    list: [-9007199254740993n],
  });
  expect(text).toBe(
    String.raw`{"n":12345678901234567890,"s":"\\u00005","q":"\"","list":[-9007199254740993]}`,
  );
});

test('a name like __proto__ stays a field', () => {
  const parsed = parseWithExactIntegers('{"__proto__":{"n":12345678901234567890}}') as object;
  expect(Object.keys(parsed)).toEqual(['__proto__']);
  expect(stringifyExactly(parsed)).toBe('{"__proto__":{"n":12345678901234567890}}');
});
