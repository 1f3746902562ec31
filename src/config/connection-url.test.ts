import { describe, expect, it } from 'vitest';
import { postgresUrlProblem, httpUrlProblem, shownPostgresUrl, shownHttpUrl } from './connection-url.ts';

describe('postgresUrlProblem', () => {
  it.each([
    'postgres://localhost/app',
    'postgresql://u:p%40ss@db.example:5432/app?sslmode=require',
    'POSTGRES://u@h/db',
    'postgres:///app?host=/run/postgresql',
    'postgres://u:p@[::1]:5432/app',
  ])('accepts %s', (url) => {
    expect(postgresUrlProblem(url)).toBeNull();
  });

  it.each(['mysql://u:secret@h/db', 'u:secret@h/db', '${DATABASE_URL}', 'postgres:/h/db'])(
    'refuses %s',
    (url) => {
      expect(postgresUrlProblem(url)).toBe('must begin with postgres:// or postgresql://');
    },
  );

  it.each([
    'postgres://u:sec/ret@h/db',
    'postgres://u:12/34@h/db',
    'postgres://u:12?34@h/db',
    'postgres://u:12#34@h/db',
    'postgres://u:p@h:port/db',
  ])('refuses %s without repeating it', (url) => {
    const problem = postgresUrlProblem(url);
    expect(problem).toContain('percent-encoded');
    expect(problem).not.toMatch(/sec|12|34|port\b/);
  });
});

describe('httpUrlProblem', () => {
  it('accepts http and https', () => {
    expect(httpUrlProblem('http://localhost:6333')).toBeNull();
    expect(httpUrlProblem('https://u:p@host/base/')).toBeNull();
  });

  it.each(['localhost:6333', 'grpc://host', 'https://', 'http://a b'])('refuses %s', (url) => {
    expect(httpUrlProblem(url)).not.toBeNull();
  });
});

describe('shown URLs', () => {
  it('hold no credentials and no query string', () => {
    expect(shownPostgresUrl('postgres://u:p@db.example:5433/app?password=x')).toBe('db.example:5433/app');
    expect(shownHttpUrl('https://u:p@host:6333/base/?api-key=x')).toBe('https://host:6333/base');
    expect(shownHttpUrl('http://localhost:6333/')).toBe('http://localhost:6333');
  });

  it('name a socket by its folder, and the default host', () => {
    expect(shownPostgresUrl('postgres:///app?host=/run/postgresql')).toBe('/run/postgresql/app');
    expect(shownPostgresUrl('postgres://%2Frun%2Fpg/app')).toBe('/run/pg/app');
    expect(shownPostgresUrl('postgres:///app')).toBe('localhost/app');
  });
});
