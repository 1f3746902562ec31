import { describe, expect, it } from 'vitest';
import { parseQualifiedName } from './qualified-name.ts';

describe('parseQualifiedName', () => {
  it.each([
    ['projects', null, 'projects'],
    ['Public.Projects', 'public', 'projects'],
    ['"Public".Projects', 'Public', 'projects'],
    ['public."My Table"', 'public', 'My Table'],
    ['"a.b"."say ""hi"""', 'a.b', 'say "hi"'],
    [' public . projects ', 'public', 'projects'],
    ['_a$1', null, '_a$1'],
    // Postgres folds A to Z only, and so must we: ÄPFEL and äpfel are two tables.
    ['ÄPFEL', null, 'Äpfel'],
    ['表', null, '表'],
  ])('reads %s as SQL does', (text, schema, name) => {
    expect(parseQualifiedName(text)).toEqual({ schema, name });
  });

  it.each([
    '',
    ' ',
    '.',
    'a.',
    '.a',
    'a b',
    'a..b',
    '1a',
    'my-table',
    '"open',
    '""',
    'a;drop table b',
    'a"b"',
    '"a"b',
    '"a\0"',
  ])('refuses %j', (text) => {
    expect(parseQualifiedName(text)).toEqual({ problem: expect.stringContaining('is not a table name') });
  });

  it('refuses a name of three parts', () => {
    expect(parseQualifiedName('db.public.projects')).toEqual({
      problem: expect.stringContaining('two parts'),
    });
  });

  it('takes 63 bytes and refuses 64, which Postgres would cut off', () => {
    expect(parseQualifiedName('a'.repeat(63))).toEqual({ schema: null, name: 'a'.repeat(63) });
    expect(parseQualifiedName(`"${'ä'.repeat(32)}"`)).toEqual({
      problem: expect.stringContaining('63 bytes'),
    });
  });
});
