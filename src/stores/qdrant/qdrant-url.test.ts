import { describe, expect, test } from 'vitest';
import { parseQdrantUrl } from './qdrant-url.ts';

describe('parseQdrantUrl', () => {
  test.each([
    ['http://HOST:6333', 'http://host:6333', ''],
    ['http://host:6333/', 'http://host:6333', ''],
    ['https://host:443/qdrant/?a=b#c', 'https://host/qdrant', '/qdrant'],
    ['http://[::1]:6333', 'http://[::1]:6333', ''],
  ])('%s', (url, shown, basePath) => {
    expect(parseQdrantUrl(url)).toMatchObject({ shown, basePath, basicAuthorization: null });
  });

  test('a user and password become a header and are not shown', () => {
    const parsed = parseQdrantUrl('https://me:p%40ss@host:6333');
    expect(parsed.shown).toBe('https://host:6333');
    expect(parsed.basicAuthorization).toBe(`Basic ${btoa('me:p@ss')}`);
  });

  test.each(['', 'host:6333', 'localhost', 'postgres://host', 'http://', 'http://a%zz:b@host'])(
    '%j is refused without being repeated, for it may hold a secret',
    (url) => {
      expect(() => parseQdrantUrl(url)).toThrow(
        expect.objectContaining({
          code: 'store_url_invalid',
          message: 'the address of Qdrant (QDRANT_URL) is not an http or https URL',
        }),
      );
    },
  );
});
