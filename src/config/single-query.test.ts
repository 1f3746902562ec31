import { describe, expect, it } from 'vitest';
import { singleQuery } from './single-query.ts';

describe('singleQuery', () => {
  it.each([
    ['select 1', 'select 1'],
    ['  SELECT 1 ; ', 'SELECT 1'],
    ['select 1;;\n;', 'select 1'],
    ['; select 1', 'select 1'],
    // A comment at the end would swallow the parenthesis that is put after the query.
    ['select 1 -- all of them', 'select 1'],
    ['select 1; -- all; of them\n/* really; */', 'select 1'],
    ['-- first; a comment\nselect 1', 'select 1'],
    ['/* a /* nested; */ comment; */ select 1', 'select 1'],
    ['with x as (select 1) select * from x', 'with x as (select 1) select * from x'],
    ['(select 1) union (select 2)', '(select 1) union (select 2)'],
    ["select ';'", "select ';'"],
    ["select 'it''s; fine'", "select 'it''s; fine'"],
    ["select E'\\';' || e'a'", "select E'\\';' || e'a'"],
    // Without E, a backslash is a plain character.
    ["select '\\'", "select '\\'"],
    ['select ";" from "a;""b"', 'select ";" from "a;""b"'],
    ['select $$a;b$$, $x$ $$ ; $y$ $x$', 'select $$a;b$$, $x$ $$ ; $y$ $x$'],
    ['select a$1$b from t', 'select a$1$b from t'],
    ['select 1 - -1, 6 / 2 * 3', 'select 1 - -1, 6 / 2 * 3'],
  ])('takes %j', (text, sql) => {
    expect(singleQuery(text)).toEqual({ sql });
  });

  it.each([
    ['select 1; select 2', 'several statements'],
    ['select 1; drop table a; --', 'several statements'],
    ["select '\\'; select '", 'several statements'],
    ['select $a$ $a$; select $a$ $a$', 'several statements'],
    ['delete from a', 'SELECT or WITH'],
    ['selection', 'SELECT or WITH'],
    ['table a', 'SELECT or WITH'],
    ['', 'empty'],
    [' ;; -- nothing', 'empty'],
    ['()', 'SELECT or WITH'],
    ["select 'open", 'quote without an end'],
    ['select "open', 'quote without an end'],
    ['select $x$ open $y$', 'quote without an end'],
    ["select E'open\\'", 'quote without an end'],
    ['select 1 /* open /* */', 'comment without an end'],
    ['select * from a where id = $1', 'placeholder'],
  ])('refuses %j: %s', (text, problem) => {
    expect(singleQuery(text)).toEqual({ problem: expect.stringContaining(problem) });
  });
});
