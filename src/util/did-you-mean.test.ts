import { describe, expect, it } from 'vitest';
import { didYouMean, nearest } from './did-you-mean.ts';

const KEYS = ['table', 'query', 'key', 'tenant', 'label', 'text', 'payload', 'chunk', 'collection'];

describe('nearest', () => {
  it.each([
    ['txt', 'text'],
    ['statik', null],
    ['tabel', 'table'],
    ['Table', 'table'],
    ['colection', 'collection'],
    ['tenantId', 'tenant'],
    ['keys', 'key'],
    ['zzz', null],
    ['k', null],
    ['', null],
  ])('%s → %s', (written, found) => {
    expect(nearest(written, KEYS)).toBe(found);
  });

  it('has nothing to suggest without candidates', () => {
    expect(nearest('x', [])).toBeNull();
    expect(didYouMean('x', [])).toBe('');
  });

  it('gives the candidate as it is written', () => {
    expect(didYouMean('apikeyenv', ['apiKeyEnv'])).toBe('; did you mean apiKeyEnv?');
  });
});
