import { expect, test } from 'vitest';
import { showsSymbols } from './shows-symbols.ts';

test.each([
  [true, { LANG: 'de_DE.UTF-8' }, true],
  [true, { LANG: 'C', LC_ALL: 'C.utf8' }, true],
  [true, { LANG: 'C.UTF-8', LC_ALL: '' }, true],
  [true, { LANG: 'C.UTF-8', LC_ALL: 'POSIX' }, false],
  [true, { LANG: 'C.UTF-8', TERM: 'dumb' }, false],
  [true, {}, false],
  [false, { LANG: 'C.UTF-8' }, false],
])('terminal %s with %j: %s', (isTTY, environment, shown) => {
  expect(showsSymbols({ isTTY, environment })).toBe(shown);
});
