import { expect, test } from 'vitest';
import { jsonHash, shortHash } from './hash.ts';

test('hashes are what is recorded in databases: they never change', () => {
  expect(shortHash('')).toBe('e3b0c44298fc1c149afbf4c8996fb924');
  expect(shortHash('Größe 😀')).toBe('11113866120cb97f3331d9608f14d1fe');
  expect(jsonHash({ b: [1, { d: null, c: 'x' }], a: true })).toBe(
    shortHash('{"a":true,"b":[1,{"c":"x","d":null}]}'),
  );
});

test('equal values hash equally, whatever the order of their fields', () => {
  expect(jsonHash({ a: 1, b: { c: 2, d: 3 } })).toBe(jsonHash({ b: { d: 3, c: 2 }, a: 1 }));
  expect(jsonHash([1, 2])).not.toBe(jsonHash([2, 1]));
});

test.each([
  [null, ''],
  [1, '1'],
  [[], {}],
  [{ a: null }, {}],
  [
    [['a'], 'b'],
    ['a', ['b']],
  ],
])('different values hash differently: %j and %j', (one, other) => {
  expect(jsonHash(one)).not.toBe(jsonHash(other));
});
