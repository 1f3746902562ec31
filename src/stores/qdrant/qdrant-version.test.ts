import { expect, test } from 'vitest';
import { isOldVersion, readVersion } from './qdrant-version.ts';

test.each([
  ['1.18.2', false],
  ['1.11.0', false],
  ['1.11.0-dev', false],
  ['2.0.0', false],
  ['1.10.9', true],
  ['1.9.0', true],
  ['0.30.1', true],
  ['dev', false],
])('%s is old: %s', (version, old) => {
  expect(isOldVersion(version)).toBe(old);
});

test('only Qdrant says that it is Qdrant', () => {
  const answer = { title: 'qdrant - vector search engine', version: '1.18.2', commit: 'abc' };
  expect(readVersion(200, JSON.stringify(answer))).toEqual({
    ok: true,
    result: { title: answer.title, version: '1.18.2' },
  });
  expect(readVersion(500, JSON.stringify(answer))).toBeNull();
  expect(readVersion(200, '<html>qdrant</html>')).toBeNull();
  expect(readVersion(200, '{"title":"elasticsearch","version":"9.0.0"}')).toBeNull();
  expect(readVersion(200, '{"title":"qdrant"}')).toBeNull();
});
