import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CheckResult } from '../../src/doctor/check.ts';
import { openPgliteDatabase } from '../../src/db/pglite/pglite-database.ts';
import { openRefusingPostgres, openRefusingQdrant } from '../helpers/refusing-servers.ts';
import { runVecpipe, startInTerminal, startVecpipe } from '../helpers/run-vecpipe.ts';
import { closedPort } from '../helpers/tcp-proxy.ts';
import {
  createOnServers,
  embedded,
  projectRecords,
  quickest,
  readReport,
  runAlone,
  servers,
  workspaces,
} from '../helpers/workspace.ts';
import type { Report, Workspace } from '../helpers/workspace.ts';

interface Checks {
  checks: CheckResult[];
}

const IDS_OF_EVERY_RUN = [
  'node',
  'config',
  'database',
  'database_version',
  'database_writable',
  'database_migrations',
  'database_rights',
  'rows',
  'provider',
  'store',
  'collection',
];

/** What every report must be, whatever is broken: complete, and with something to do about each problem. */
function expectWhole({ checks, exitCode, error }: Report & Checks): void {
  expect(checks.map(({ id }) => id)).toEqual(expect.arrayContaining(IDS_OF_EVERY_RUN));
  for (const { status, found, fix } of checks) {
    expect(found).not.toBe('');
    expect(found).not.toMatch(/has a bug/);
    expect(fix !== null, found).toBe(status === 'warn' || status === 'fail');
  }
  const failed = checks.filter(({ status }) => status === 'fail').length;
  expect(exitCode).toBe(failed > 0 ? 4 : 0);
  expect(error).toEqual(
    failed === 0
      ? null
      : {
          code: 'doctor_found_problems',
          message: `${failed} of ${checks.length} checks failed`,
          hint: 'the line of each says what to do',
        },
  );
}

async function examine(workspace: Workspace, environment = {}, args: readonly string[] = []) {
  const report = await workspace.json<Checks>(['doctor', ...args], { environment });
  expectWhole(report);
  const of = (id: string) => report.checks.filter((check) => check.id === id);
  return { report, of, bad: report.checks.filter(({ status }) => status === 'warn' || status === 'fail') };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-e2e-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Takes connections and never says a word. */
async function openSilentServer() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => socket.destroy())));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

describe('where nothing was made yet', () => {
  it('says what will be made, and makes nothing', async () => {
    await inFolder(async (folder) => {
      const { exitCode, stdout, stderr } = await runVecpipe(['doctor'], { cwd: folder });
      expect({ exitCode, stderr }).toEqual({
        exitCode: 0,
        stderr: expect.stringMatching(/^\d+ ok/) as string,
      });
      expect(stdout).toMatch(/^ok {3}database: will be made by the first command .* in \.vecpipe\/pgdata/m);
      expect(stdout).toMatch(/^skip collection client_1_projects: the embedded database is not made yet$/m);
      expect(stdout).toMatch(/^ok {3}provider static: .* 256 dimensions/m);
      expect(stdout).not.toMatch(/^fail/m);
      expect(await readdir(folder)).toEqual([]);
    });
  });

  it('says when it cannot be made', async () => {
    const report = readReport<Checks>(
      await runAlone(['doctor', '--json'], {}, { VECPIPE_HOME: '/dev/null/home' }),
    );
    expectWhole(report);
    expect(report.checks.filter(({ status }) => status === 'fail')).toMatchObject([
      { id: 'database', found: expect.stringContaining('/dev/null is a file') as string },
    ]);
  });
});

describe.each(workspaces)('with $name', (variant) => {
  it('all is well before and after a run, and nothing is changed by looking', async () => {
    await using workspace = await variant.create();
    const before = await examine(workspace);
    expect(before.bad).toEqual([]);
    expect(before.of('rows')).toMatchObject([{ status: 'skip' }, { status: 'skip' }, { status: 'skip' }]);
    expect(await workspace.sql(`select to_regnamespace('vecpipe') as made`)).toEqual([{ made: null }]);

    await workspace.write('projects.ndjson', projectRecords(3));
    await workspace.json(['sync', '--from', 'projects.ndjson']);
    expect(await workspace.json(['vectorize'])).toMatchObject({ exitCode: 0 });
    const state = () =>
      workspace.sql(`select (select jsonb_agg(to_jsonb(r)) from vecpipe.runs r) as runs,
        (select jsonb_agg(to_jsonb(g)) from vecpipe.generations g) as generations`);
    const stateBefore = await state();
    const { bad, of } = await examine(workspace, {}, ['--entity', 'projects']);
    expect(bad).toEqual([]);
    expect(of('rows')).toMatchObject([
      { status: 'ok', found: expect.stringContaining('has rows') as string },
    ]);
    expect(of('collection')).toMatchObject([
      {
        status: 'ok',
        subject: `collection ${workspace.collection('projects')}`,
        found: expect.stringMatching(/generation 1, alias of .*__1, 256 dimensions, cosine/) as string,
      },
    ]);
    expect(await state()).toEqual(stateBefore);
  });
});

describe(`what is broken is found, ${quickest.name}`, () => {
  it('in the config of the entities and in what was stored', async () => {
    await using workspace = await quickest.create();
    const config = (template: string) => `tenants: { "${workspace.tenant}": { provider: static } }
entities:
  things: { query: "select 1 as id, 'a shop for bread' as name", key: id, text: "${template}" }
  gone: { table: public.gone, key: id, text: "{{ name }}" }
`;
    await workspace.write('vecpipe.config.yaml', config('{{ name }}'));
    expect(await workspace.json(['vectorize', '--entity', 'things'])).toMatchObject({ exitCode: 0 });
    await workspace.write('vecpipe.config.yaml', config('{{ name }}!'));
    const { bad } = await examine(workspace);
    expect(bad).toMatchObject([
      {
        id: 'rows',
        subject: `rows of gone, tenant ${workspace.tenant}`,
        found: 'table public.gone (entities.gone) does not exist in the database',
        fix: 'create it, or correct `table:` in the config',
      },
      {
        id: 'collection',
        subject: `collection ${workspace.collection('things')}`,
        found: expect.stringContaining('was built with another template') as string,
      },
    ]);
  });

  it('in a store that refuses, or is away', async () => {
    await using workspace = await quickest.create();
    await using refusing = await openRefusingQdrant();
    const secrets = { QDRANT_API_KEY: 'qd-4711-secret' };
    const refused = await examine(workspace, { ...secrets, QDRANT_URL: `http://127.0.0.1:${refusing.port}` });
    expect(refused.bad).toMatchObject([
      { id: 'store', found: expect.stringContaining('QDRANT_API_KEY') as string },
    ]);
    const port = await closedPort();
    const away = await examine(workspace, { ...secrets, QDRANT_URL: `http://app:hunter2@127.0.0.1:${port}` });
    expect(away.bad).toMatchObject([
      { id: 'store', found: expect.stringContaining('connection refused') as string },
    ]);
    expect(JSON.stringify([refused.report, away.report])).not.toMatch(/4711|hunter2/);
  });
});

describe('a database that does not serve', () => {
  it('refuses the password: the rest is still looked at', async () => {
    await using server = await openRefusingPostgres();
    const ended = await runAlone(
      ['doctor', '--json'],
      {},
      { DATABASE_URL: `postgres://app:hunter2@127.0.0.1:${server.port}/shop` },
    );
    const report = readReport<Checks>(ended);
    expectWhole(report);
    expect(ended.stdout + ended.stderr).not.toContain('hunter2');
    const byId = Object.fromEntries(report.checks.map((check) => [check.id, check]));
    expect(byId).toMatchObject({
      database: { status: 'fail', fix: 'Correct DATABASE_URL' },
      database_clock: { status: 'skip', found: 'the database cannot be used' },
      database_connections: { status: 'skip' },
      provider: { status: 'ok' },
      store: { status: 'skip' },
    });
  });

  it('is in use by another process', async () => {
    await using workspace = await embedded.create();
    const folder = join(workspace.environment.VECPIPE_HOME ?? '', 'pgdata');
    await using held = await openPgliteDatabase({ folder, command: 'vecpipe vectorize' });
    expect(held.exclusive).toBe(true);
    const { bad } = await examine(workspace);
    expect(bad).toMatchObject([
      {
        id: 'database',
        found: expect.stringContaining(`in use by process ${process.pid}`) as string,
        fix: expect.stringContaining('DATABASE_URL') as string,
      },
    ]);
    expect(existsSync(`${folder}.lock`)).toBe(true);
  });
});

describe.skipIf(servers === null)('a database user with few rights', () => {
  it('is told what to be granted', async () => {
    await using workspace = await createOnServers();
    const role = `vecpipe_test_${workspace.tenant}`;
    await workspace.json(['init'], { tenant: false });
    await workspace.sql(
      `create role ${role} login password 'hunter2'`,
      `grant usage on schema vecpipe to ${role}`,
      `grant select on all tables in schema vecpipe to ${role}`,
    );
    try {
      const url = new URL(workspace.environment.DATABASE_URL ?? '');
      url.username = role;
      url.password = 'hunter2';
      const reading = await examine(workspace, { DATABASE_URL: url.href });
      expect(reading.bad).toMatchObject([
        {
          id: 'database_rights',
          status: 'fail',
          found: expect.stringContaining('may not read and write vecpipe.') as string,
          fix: expect.stringContaining('GRANT SELECT, INSERT, UPDATE, DELETE') as string,
        },
      ]);
      await workspace.sql(
        `revoke all on schema vecpipe from ${role}`,
        `alter role ${role} connection limit 4`,
        `alter role ${role} set default_transaction_read_only = on`,
      );
      const { of } = await examine(workspace, { DATABASE_URL: url.href });
      expect(of('database_writable')).toMatchObject([{ status: 'fail' }]);
      expect(of('database_connections')).toMatchObject([
        { status: 'warn', found: expect.stringContaining('of the 4 of the user left') as string },
      ]);
      expect(of('database_rights')).toMatchObject([
        { status: 'fail', found: 'the user may not use the schema vecpipe' },
      ]);
      expect(of('rows').map(({ status }) => status)).toEqual(['skip', 'skip', 'skip']);
    } finally {
      await workspace.sql(`drop owned by ${role}`, `drop role ${role}`);
    }
  });
});

describe('the command', () => {
  it('ends with 2 for a config that cannot be read, before any check', async () => {
    const report = readReport<Partial<Checks>>(
      await runAlone(['doctor', '--json'], { 'vecpipe.config.yaml': 'entitys: {}\n' }),
    );
    expect(report).toMatchObject({ exitCode: 2, error: { code: 'config_invalid' } });
    expect(report.checks).toBeUndefined();
  });

  it('looks at every tenant unless one is named, and opens each provider once', async () => {
    const files = {
      'vecpipe.config.yaml': `tenants: { a: { provider: static }, b: { provider: static } }\n`,
    };
    const subjects = async (...args: string[]) => {
      const report = readReport<Checks>(await runAlone(['doctor', '--json', ...args], files));
      expectWhole(report);
      return report.checks
        .filter(({ id }) => id === 'collection' || id === 'provider')
        .map(({ subject }) => subject);
    };
    expect(await subjects('--entity', 'wits')).toEqual([
      'provider static',
      'collection client_a_wits',
      'collection client_b_wits',
    ]);
    expect(await subjects('--entity', 'wits', '--tenant', 'b')).toEqual([
      'provider static',
      'collection client_b_wits',
    ]);
  });

  it('shows marks on a terminal that has them', async () => {
    await inFolder(async (folder) => {
      const environment = { LANG: 'C.UTF-8', TERM: 'xterm' };
      const options = { cwd: folder, environment };
      const { ended } = startInTerminal(['doctor', '--no-progress'], 'cols 200 rows 24', options);
      expect((await ended).stdout).toMatch(/^✔ Node\.js: /m);
    });
  });

  it('shows what it has found so far when it is interrupted', async () => {
    await using silent = await openSilentServer();
    await inFolder(async (folder) => {
      const running = startVecpipe(['doctor', '--json', '--verbose'], {
        cwd: folder,
        environment: { DATABASE_URL: `postgres://app@127.0.0.1:${silent.port}/shop` },
      });
      await running.stderrHas(/^Checking: database$/m);
      running.kill('SIGINT');
      const report = readReport<Checks>(await running.ended);
      expect(report).toMatchObject({ exitCode: 130, error: { code: 'interrupted' } });
      expect(report.checks.map(({ id }) => id)).toEqual(['node', 'config']);
    });
  });
});
