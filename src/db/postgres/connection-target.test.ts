import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectionTarget } from './connection-target.ts';

beforeEach(() => {
  for (const name of ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGPASSWORD']) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

test.each([
  [
    'postgres://alice:s3cret@db.example:6543/app?sslmode=disable&options=-c%20a=s3cret',
    'db.example:6543/app',
  ],
  ['postgresql://alice:s3cret@db.example/app', 'db.example:5432/app'],
  ['postgres://alice:s3%40cret%2F@db.example', 'db.example:5432'],
  ['postgres://alice:s3cret@[::1]:5432/app', '[::1]:5432/app'],
  ['postgres://alice:s3cret@/app?host=/var/run/postgresql', '/var/run/postgresql:5432/app'],
  ['postgres://localhost/app', 'localhost:5432/app'],
])('%s is at %s', (url, location) => {
  expect(connectionTarget(url, 'DATABASE_URL').location).toBe(location);
});

test.each([
  '',
  'app',
  'mysql://alice:s3cret@db.example/app',
  'postgres://alice:s3cret@db.example:port/app',
  // Passwords that are not percent-encoded.
  'postgres://alice:12/s3cret@db.example/app',
  'postgres://alice:12#s3cret@db.example/app',
  'postgres://alice:12?s3cret@db.example/app',
])('%j is refused without being quoted', (url) => {
  let error: unknown;
  try {
    connectionTarget(url, 'DATABASE_URL');
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({
    family: 'usage',
    code: 'database_url_invalid',
    message: 'DATABASE_URL is not the URL of a Postgres server',
  });
  expect(inspect(error, { depth: 9 })).not.toMatch(/s3cret|alice/);
});

test('modes that the driver reads as verify-full are passed on as that, without a process warning', async () => {
  const onWarning = vi.fn();
  process.on('warning', onWarning);
  try {
    const urls = ['require', 'prefer', 'verify-ca', 'verify-full', 'no-verify', 'disable'].map(
      (mode) => connectionTarget(`postgres://db.example/app?a=1&sslmode=${mode}&b=2`, 'x').connectionString,
    );
    expect(urls.map((url) => new URL(url).searchParams.get('sslmode'))).toEqual([
      'verify-full',
      'verify-full',
      'verify-full',
      'verify-full',
      'no-verify',
      'disable',
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(onWarning).not.toHaveBeenCalled();
  } finally {
    process.off('warning', onWarning);
  }
});
