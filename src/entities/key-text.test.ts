import { expect, test } from 'vitest';
import { keyTextSql, splitKey } from './key-text.ts';

/** What the SQL of `keyTextSql` does. */
function join(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
}

test('a key of one column is its text, whatever is in it', () => {
  expect(splitKey('a/b~1~0', 1)).toEqual(['a/b~1~0']);
  expect(splitKey('', 1)).toEqual(['']);
  expect(keyTextSql(['s."id"'])).toBe('s."id"::text');
});

test.each([
  [['a', 'b']],
  [['a/b', 'c~d']],
  [['~1', '~0']],
  [['~01', '/~/']],
  [['', '']],
  [['', '', 'x']],
  [['😀/😀', '~']],
])('a key of several columns comes apart as it was put together: %j', (parts) => {
  expect(splitKey(join(parts), parts.length)).toEqual(parts);
});

test('different keys have different texts', () => {
  const keys = [
    ['a', 'b/c'],
    ['a/b', 'c'],
    ['a~1b', 'c'],
    ['a', 'b~1c'],
    ['a~', '1b/c'],
  ];
  expect(new Set(keys.map(join)).size).toBe(keys.length);
});

test('a key with another number of parts is none', () => {
  expect(splitKey('a', 2)).toBeNull();
  expect(splitKey('a/b/c', 2)).toBeNull();
  expect(splitKey('', 2)).toBeNull();
});

test('the SQL casts and escapes every part, `~` first', () => {
  expect(keyTextSql(['s."a"', 's."b"'])).toBe(
    `replace(replace(s."a"::text, '~', '~0'), '/', '~1') || '/' || replace(replace(s."b"::text, '~', '~0'), '/', '~1')`,
  );
});
