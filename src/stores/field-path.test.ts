import { describe, expect, test } from 'vitest';
import { parseFieldPath, qdrantFieldPath } from './field-path.ts';

describe('parseFieldPath', () => {
  test.each([
    ['key', ['key']],
    ['vecpipe.tenant', ['vecpipe', 'tenant']],
    ['a b', ['a b']],
    ['"file.name".size', ['file.name', 'size']],
    ['größe.emoji 🦊', ['größe', 'emoji 🦊']],
    ["it's", ["it's"]],
  ])('%s', (field, names) => {
    expect(parseFieldPath(field)).toEqual(names);
  });

  test.each(['', '.', 'a.', '.a', 'a..b', '"a', 'a"b', 'a[0]', 'a[].b', '"a"b', 'back\\slash'])(
    '%j is refused',
    (field) => {
      expect(() => parseFieldPath(field)).toThrow('is not a name');
    },
  );
});

test('qdrantFieldPath quotes what Qdrant would not read as a plain name', () => {
  expect(qdrantFieldPath(['a_b-1', 'c'])).toBe('a_b-1.c');
  expect(qdrantFieldPath(['file.name', 'größe'])).toBe('"file.name"."größe"');
});
