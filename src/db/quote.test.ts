import { expect, test } from 'vitest';
import { quoteIdentifier, quoteLiteral, quoteQualified } from './quote.ts';

test.each([
  ['name', '"name"'],
  ['Name with space', '"Name with space"'],
  ['a"b', '"a""b"'],
  ['"; drop table x; --', '"""; drop table x; --"'],
  ['é🙂', '"é🙂"'],
])('%j is quoted as %s', (name, quoted) => {
  expect(quoteIdentifier(name)).toBe(quoted);
});

test.each(['', 'a\0b'])('%j is refused', (name) => {
  expect(() => quoteIdentifier(name)).toThrow(RangeError);
});

test('schema and name are quoted one by one', () => {
  expect(quoteQualified('my.schema', 'table')).toBe('"my.schema"."table"');
  expect(quoteQualified(null, 'table')).toBe('"table"');
});

test.each([
  ['text', "'text'"],
  ["it's", "'it''s'"],
  ["\\'; drop table x; --", " E'\\\\''; drop table x; --'"],
  ['', "''"],
])('the text %j is quoted as %s', (text, quoted) => {
  expect(quoteLiteral(text)).toBe(quoted);
});

test('a text with a NUL character is refused', () => {
  expect(() => quoteLiteral('a\0b')).toThrow(RangeError);
});
