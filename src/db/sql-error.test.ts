import { expect, test } from 'vitest';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { DatabaseError } from '../ports/database.ts';
import { isErrorResponse, sqlError } from './sql-error.ts';

test.each([
  ['57P01', 'database_connection_lost', 'lost the connection to the server: message'],
  ['57P05', 'database_connection_lost', 'lost the connection to the server: message'],
  ['08006', 'database_connection_lost', 'lost the connection to the server: message'],
  ['53100', 'database_disk_full', 'the server has no disk space left'],
  ['53200', 'database_out_of_memory', 'the server ran out of memory'],
  ['53300', 'database_too_many_connections', 'the server accepts no more connections'],
  ['25006', 'database_read_only', 'the server is read-only'],
])('%s is a condition of the server', (sqlState, code, message) => {
  const error = sqlError({ code: sqlState, message: 'message' }, 'the server');
  expect(error).toBeInstanceOf(VecpipeError);
  expect(error).toMatchObject({ family: 'unavailable', code, message });
});

test.each([
  [
    '23505',
    'duplicate key value violates unique constraint "a"',
    'duplicate key value violates unique constraint "a"',
  ],
  ['22P02', 'invalid input syntax for type integer: "secret"', 'invalid input syntax for type integer'],
  ['22P02', 'invalid input syntax for type json: "a: \n"', 'invalid input syntax for type json'],
  [
    '22003',
    'value "12 "quoted"" is out of range for type integer',
    'value "…" is out of range for type integer',
  ],
  ['42601', 'syntax error\nsecond line', 'syntax error'],
])('%s: the message carries no values', (sqlState, message, safe) => {
  const error = sqlError({ code: sqlState, message }, 'the server');
  expect(error).toBeInstanceOf(DatabaseError);
  expect(error).toMatchObject({ sqlState, message: safe });
  expect(error.cause).toBeUndefined();
});

test('an error of the operating system is not one of the server', () => {
  expect(isErrorResponse(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))).toBe(false);
  expect(isErrorResponse(Object.assign(new Error('no'), { code: '57P01', severity: 'FATAL' }))).toBe(true);
});
