import { expect, test } from 'vitest';
import type { Payload } from '../ports/vector-store.ts';
import { parseKeyField, readKey } from './key-field.ts';

const read = (payload: object, field: string) => readKey(payload as Payload, parseKeyField(field));

test('texts and whole numbers are keys, wherever the path leads', () => {
  expect(read({ id: 'a/b' }, 'id')).toBe('a/b');
  expect(read({ id: 17 }, 'id')).toBe('17');
  expect(read({ meta: { row: { id: -0.5 } } }, 'meta.row.id')).toBe('-0.5');
  expect(read({ 'a.b': { c: '' } }, '"a.b".c')).toBe('');
});

test.each<[string, object]>([
  ['nothing', {}],
  ['null', { id: null }],
  ['a list', { id: ['x'] }],
  ['a truth value', { id: true }],
  ['a number that was rounded', { id: 2 ** 60 }],
  ['a text that Postgres does not hold', { id: 'a\0' }],
])('%s is none', (_name, payload) => {
  expect(read(payload, 'id')).toBeNull();
});

test('what an object inherits is no field', () => {
  expect(read({}, 'constructor.name')).toBeNull();
  expect(read({ id: 'text' }, 'id.length')).toBeNull();
});

test('a path that is none is a usage error that names the flag', () => {
  for (const text of ['', 'a..b', 'a[0]']) {
    expect(() => parseKeyField(text)).toThrow(
      expect.objectContaining({
        family: 'usage',
        code: 'adoption_key_field',
        message: expect.stringContaining('--key-field') as string,
      }),
    );
  }
});
