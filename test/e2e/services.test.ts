import { describe, expect, it } from 'vitest';
import { openRefusingPostgres, openRefusingQdrant, openWebServer } from '../helpers/refusing-servers.ts';
import { runInProcess } from '../helpers/run-in-process.ts';
import type { Environment } from '../helpers/run-vecpipe.ts';
import { closedPort } from '../helpers/tcp-proxy.ts';
import { testDatabaseUrl } from '../helpers/databases.ts';
import { createOnServers, quickest, readReport, runAlone, servers } from '../helpers/workspace.ts';

const PASSWORD = 'hunter2';
const API_KEY = 'qd-4711-secret';

/** Runs a command against services that do not serve, and checks that no secret got into its output. */
async function runAgainst(environment: Environment, args: string[] = ['vectorize']) {
  const ended = await runAlone([...args, '--json', '--verbose'], {}, environment);
  expect(ended.stdout + ended.stderr).not.toMatch(new RegExp(`${PASSWORD}|${API_KEY}`));
  const report = readReport(ended);
  expect(ended.stderr).toContain(`vecpipe ${args[0]}: ${report.error?.message}\n`);
  return report;
}

describe('a database that does not serve is one sentence', () => {
  it.each(['vectorize', 'sync', 'search x', 'status', 'explain 1', 'init'])(
    '%s: nothing listens there',
    async (command) => {
      const port = await closedPort();
      const url = `postgres://app:${PASSWORD}@127.0.0.1:${port}/shop?sslmode=disable`;
      expect(await runAgainst({ DATABASE_URL: url }, command.split(' '))).toMatchObject({
        exitCode: 4,
        error: {
          code: 'database_unreachable',
          message: `cannot reach Postgres at 127.0.0.1:${port}/shop (DATABASE_URL): connection refused`,
          hint: expect.any(String) as string,
        },
      });
    },
  );

  it('the password is wrong', async () => {
    await using server = await openRefusingPostgres();
    const url = `postgres://app:${PASSWORD}@127.0.0.1:${server.port}/shop`;
    expect(await runAgainst({ DATABASE_URL: url })).toMatchObject({
      exitCode: 2,
      error: {
        code: 'database_login_refused',
        message: `Postgres at 127.0.0.1:${server.port}/shop (DATABASE_URL) refused the password`,
      },
    });
  });

  it('what listens there is not Postgres', async () => {
    await using server = await openWebServer();
    const url = `postgres://app:${PASSWORD}@127.0.0.1:${server.port}/shop`;
    const { exitCode, error } = await runAgainst({ DATABASE_URL: url });
    expect([2, 4]).toContain(exitCode);
    expect(error?.message).toContain(`127.0.0.1:${server.port}/shop (DATABASE_URL)`);
  });

  it.skipIf(testDatabaseUrl === undefined)('the database does not exist', async () => {
    const url = new URL(testDatabaseUrl ?? '');
    url.pathname = '/vecpipe_missing';
    url.password = PASSWORD;
    expect(await runAgainst({ DATABASE_URL: url.href })).toMatchObject({
      exitCode: 2,
      error: {
        code: 'database_missing',
        message: `the database named in DATABASE_URL does not exist on Postgres at ${url.host}/vecpipe_missing`,
      },
    });
  });

  it('the folder of the embedded one cannot be a folder', async () => {
    expect(await runAgainst({ VECPIPE_HOME: '/dev/null/home' })).toMatchObject({
      exitCode: 2,
      error: { code: 'database_folder_unusable' },
    });
  });

  it('init says when it cannot write the config', async () => {
    const { exitCode, stdout, stderr } = await runInProcess(['init'], { cwd: '/dev/null' });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^vecpipe init: vecpipe\.config\.yaml cannot be written: /);
  });
});

describe(`a vector store that does not serve is one sentence, ${quickest.name}`, () => {
  it('whatever is wrong with it', async () => {
    await using notQdrant = await openWebServer();
    await using refusing = await openRefusingQdrant();
    await using workspace = await quickest.create();
    const port = await closedPort();
    const against = async (url: string, args = ['vectorize', '--entity', 'wits']) => {
      const report = await workspace.json(args, {
        environment: { QDRANT_URL: url, QDRANT_API_KEY: API_KEY },
      });
      expect(report.stderr + JSON.stringify(report)).not.toMatch(new RegExp(`${PASSWORD}|${API_KEY}`));
      expect(report.stderr).toMatch(/^vecpipe \w+: .*\n {2}.*\n$/);
      return report;
    };
    const missing = await against(`http://app:${PASSWORD}@127.0.0.1:${port}`);
    expect(missing).toMatchObject({
      exitCode: 4,
      error: {
        code: 'store_unreachable',
        message: `cannot reach Qdrant at http://127.0.0.1:${port} (QDRANT_URL): connection refused`,
      },
    });
    expect(await against(`http://127.0.0.1:${refusing.port}`)).toMatchObject({
      exitCode: 2,
      error: {
        code: 'store_unauthorized',
        message: `Qdrant at http://127.0.0.1:${refusing.port} refuses the API key from QDRANT_API_KEY`,
      },
    });
    expect(await against(`http://127.0.0.1:${notQdrant.port}/vectors`, ['search', 'x'])).toMatchObject({
      exitCode: 2,
      error: { code: 'store_not_qdrant' },
    });
    expect(await against(`http://127.0.0.1:${notQdrant.port}`, ['status'])).toMatchObject({
      exitCode: 2,
      error: { code: 'store_not_qdrant' },
    });
    // A failing run leaves nothing half made, and is over in `status` too.
    const runs = await workspace.sql(
      'select command, exit_code as code, error is not null as explained from vecpipe.runs order by started_at',
    );
    expect(runs).toEqual([
      { command: 'vectorize', code: 4, explained: true },
      { command: 'vectorize', code: 2, explained: true },
      { command: 'search', code: 2, explained: true },
      { command: 'status', code: 2, explained: true },
    ]);
    expect(await workspace.sql('select 1 from vecpipe.generations')).toEqual([]);
  });
});

describe.skipIf(servers === null)('a Postgres without pgvector, and no Qdrant', () => {
  it('is told before any work is done, with both ways out', async (context) => {
    await using workspace = await createOnServers({ QDRANT_URL: undefined });
    const available = await workspace.sql(`select from pg_available_extensions where name = 'vector'`);
    if (available.length > 0) context.skip('the server of TEST_DATABASE_URL has pgvector');
    const report = await workspace.json(['vectorize']);
    expect(report).toMatchObject({ exitCode: 2, entities: [], error: { code: 'pgvector_missing' } });
    expect(report.error?.hint).toMatch(/install pgvector on that server, or set QDRANT_URL/);
  });
});

describe.skipIf(servers === null)('a password in DATABASE_URL', () => {
  it('is shown nowhere, also when all is well', async () => {
    await using workspace = await createOnServers();
    const url = new URL(workspace.environment.DATABASE_URL ?? '');
    // A server that trusts its clients takes any.
    url.password ||= PASSWORD;
    const environment = { DATABASE_URL: url.href, QDRANT_API_KEY: API_KEY };
    for (const args of [
      ['init'],
      ['sync', '--yes'],
      ['status'],
      ['vectorize', '--dry-run'],
      ['status', '--json'],
    ]) {
      const { exitCode, stdout, stderr } = await workspace.run([...args, '--verbose'], { environment });
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      expect(stdout + stderr).not.toContain(url.password);
      expect(stdout + stderr).not.toContain(API_KEY);
    }
    const [{ text } = { text: '' }] = await workspace.sql<{ text: string }>(
      `select coalesce(jsonb_agg(to_jsonb(r)), '[]')::text as text from vecpipe.runs r`,
    );
    expect(text).toContain('"command": "sync"');
    expect(text).not.toContain(url.password);
  });
});
