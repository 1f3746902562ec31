import { expect, test } from 'vitest';
import { FakeProvider, fakeVector } from '../../test/helpers/fake-provider.ts';
import { checkVectors } from './check-vectors.ts';

const provider = new FakeProvider({ modelId: 'model', dimensions: 3 });
const good = fakeVector('a', 3);
const refusal = { code: 'no_known_token', reason: 'no word of it is known' };
const check = (vectors: unknown[], texts = vectors.length) =>
  checkVectors(provider, texts, { vectors: vectors as Float32Array[], tokens: 0 });

test('gives vectors and refusals back as they are', () => {
  expect(check([good, refusal])).toEqual([good, refusal]);
});

test.each([
  ['too few vectors', [good], 2, /answered 1 vectors for 2 texts/],
  ['too many vectors', [good, good], 1, /answered 2 vectors for 1 texts/],
  ['a vector that is too short', [good, good.slice(1)], 2, /width 2 instead of 3/],
  ['a vector that is too long', [fakeVector('a', 4)], 1, /width 4 instead of 3/],
  ['a list of numbers in place of a vector', [[0.1, 0.2, 0.3]], 1, /neither a vector nor a reason/],
  ['nothing in place of a vector', [undefined], 1, /neither a vector nor a reason/],
  // eslint-disable-next-line unicorn/no-new-array -- a hole is not the same as undefined
  ['a hole in place of a vector', new Array<unknown>(1), 1, /neither a vector nor a reason/],
])('%s is an error of the provider', (_name, vectors, texts, message) => {
  expect(() => check(vectors, texts)).toThrow(message);
  expect(() => check(vectors, texts)).toThrow(
    expect.objectContaining({ family: 'unavailable', code: 'provider_contract' }),
  );
});

test.each([
  ['NaN', Number.NaN, 'vector_not_finite'],
  ['infinity', Number.POSITIVE_INFINITY, 'vector_not_finite'],
])('%s anywhere in a vector refuses its text alone', (_name, value, code) => {
  expect(check([Float32Array.of(1, 0, value), good])).toEqual([expect.objectContaining({ code }), good]);
});

test('a vector of zeros refuses its text, the smallest other vector does not', () => {
  const smallest = Float32Array.of(0, 1e-45, 0);
  expect(check([new Float32Array(3), smallest])).toEqual([
    expect.objectContaining({ code: 'vector_zero' }),
    smallest,
  ]);
});

test('the largest numbers are still finite', () => {
  const largest = Float32Array.of(3.4e38, -3.4e38, 3.4e38);
  expect(check([largest])).toEqual([largest]);
});
