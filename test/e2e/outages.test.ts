import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import { openTcpProxy } from '../helpers/tcp-proxy.ts';
import type { TcpProxy } from '../helpers/tcp-proxy.ts';
import { testQdrantUrl } from '../helpers/stores.ts';
import { createOnServers, projectRecords, servers } from '../helpers/workspace.ts';
import type { Report, Workspace } from '../helpers/workspace.ts';
import type { Ended, Running } from '../helpers/run-vecpipe.ts';

const ROWS = 120;
const SLOWLY = [
  'vectorize',
  '--entity',
  'projects',
  '--batch-size',
  '2',
  '--concurrency',
  '2',
  '--verbose',
  '--json',
];
const AWAY = /^(Cannot reach|Lost the connection to) .*; trying again for up to 5 min$/m;
const BACK = /^(Postgres|Qdrant|Provider) .* is back after [\d.]+ s$/m;

async function fill(workspace: Workspace): Promise<void> {
  await workspace.write('projects.ndjson', projectRecords(ROWS));
  const { exitCode } = await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
  expect(exitCode).toBe(0);
}

/** Everything stored once, nothing left to do, no lease left behind. */
async function expectComplete(workspace: Workspace): Promise<void> {
  const { status } = await workspace.json<{ status: object[] }>(['status', '--entity', 'projects']);
  expect(status).toMatchObject([
    { rows: ROWS, stored: ROWS, points: ROWS, recordedPoints: ROWS, pending: 0, leased: 0, failed: 0 },
  ]);
}

const reportOf = ({ stdout }: Ended) => JSON.parse(stdout) as Report;

/** The environment of a process that reaches the workspace's database through a proxy. */
async function openDatabaseProxy(
  workspace: Workspace,
): Promise<{ proxy: TcpProxy; environment: { DATABASE_URL: string } }> {
  const proxy = await openTcpProxy(workspace.environment.DATABASE_URL ?? '');
  return { proxy, environment: { DATABASE_URL: proxy.url } };
}

async function cutUntilNoticed(proxy: TcpProxy, running: Running): Promise<void> {
  await running.stderrHas(/^Stored point/m);
  await proxy.cut();
  await running.stderrHas(AWAY);
}

// Most of their time goes by in waiting, so they do that together.
describe.skipIf(servers === null)('a run whose', { concurrent: true }, () => {
  it('database goes away comes to its end when that is back', async () => {
    await using workspace = await createOnServers();
    const { proxy, environment } = await openDatabaseProxy(workspace);
    await using _proxy = proxy;
    await fill(workspace);
    const running = workspace.start(SLOWLY, { environment });
    await cutUntilNoticed(proxy, running);
    await proxy.restore();
    const ended = await running.ended;
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    expect(reportOf(ended)).toMatchObject({ error: null, failures: [], entities: [{ stored: ROWS }] });
    expect(ended.stderr).toMatch(BACK);
    expect(ended.stderr.match(new RegExp(AWAY, 'gm'))).toHaveLength(1);
    await expectComplete(workspace);
  });

  it('backends are killed again and again loses nothing', async () => {
    await using workspace = await createOnServers();
    await fill(workspace);
    const running = workspace.start(SLOWLY);
    await running.stderrHas(/^Stored point/m);
    let isOver = false;
    const ended = running.ended.finally(() => {
      isOver = true;
    });
    for (let kill = 0; kill < 5 && !isOver; kill += 1) {
      await workspace.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      );
    }
    const { exitCode, stderr } = await ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).not.toContain('Warning');
    await expectComplete(workspace);
  });

  it('database stays away ends with 4 after the deadline, and the same command completes later', async () => {
    await using workspace = await createOnServers();
    const { proxy, environment } = await openDatabaseProxy(workspace);
    await using _proxy = proxy;
    await fill(workspace);
    const running = workspace.start([...SLOWLY, '--max-outage', '1s'], { environment });
    await running.stderrHas(/^Stored point/m);
    await proxy.cut();
    const ended = await running.ended;
    const report = reportOf(ended);
    expect(report).toMatchObject({ exitCode: 4 });
    expect(report.error?.code).toMatch(/^database_(unreachable|connection_lost)$/);
    expect(report.error?.message).toMatch(
      /Postgres at 127\.0\.0\.1:\d+\/\w+ \(DATABASE_URL\): .*; tried again for [\d.]+ s \(--max-outage\)$/,
    );
    await proxy.restore();
    expect(await workspace.json(['vectorize', '--entity', 'projects'])).toMatchObject({ exitCode: 0 });
    await expectComplete(workspace);
  });

  it('database is away can be stopped, at once', async () => {
    await using workspace = await createOnServers();
    const { proxy, environment } = await openDatabaseProxy(workspace);
    await using _proxy = proxy;
    await fill(workspace);
    const running = workspace.start(SLOWLY, { environment });
    await cutUntilNoticed(proxy, running);
    const stoppedAt = performance.now();
    running.kill('SIGTERM');
    expect((await running.ended).exitCode).toBe(143);
    // Five minutes is how long it would have waited, ten seconds how long an attempt may take.
    expect(performance.now() - stoppedAt).toBeLessThan(8_000);
    await proxy.restore();
    expect(await workspace.json(['vectorize', '--entity', 'projects'])).toMatchObject({ exitCode: 0 });
    await expectComplete(workspace);
  });

  it('vector store goes away comes to its end when that is back', async () => {
    await using proxy = await openTcpProxy(testQdrantUrl ?? '');
    await using workspace = await createOnServers({ QDRANT_URL: proxy.url });
    await fill(workspace);
    const running = workspace.start(SLOWLY);
    await cutUntilNoticed(proxy, running);
    await proxy.restore();
    const ended = await running.ended;
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    expect(reportOf(ended)).toMatchObject({ error: null, failures: [], entities: [{ stored: ROWS }] });
    expect(ended.stderr).toMatch(BACK);
    await expectComplete(workspace);
  });

  it('vector store is away can be stopped, and gives its leases back', async () => {
    await using proxy = await openTcpProxy(testQdrantUrl ?? '');
    await using workspace = await createOnServers({ QDRANT_URL: proxy.url });
    await fill(workspace);
    const running = workspace.start(SLOWLY);
    await cutUntilNoticed(proxy, running);
    running.kill('SIGTERM');
    expect((await running.ended).exitCode).toBe(143);
    expect(await workspace.sql('select key from vecpipe.queue where lease_token is not null')).toEqual([]);
  });

  it('gateway is down for a while buys each text once', async () => {
    await using gateway = await openGatewayServer({ dimensions: 16 });
    await using workspace = await createOnServers();
    await workspace.write(
      'vecpipe.config.yaml',
      `providers:
  cloud: { kind: gateway, baseURL: "${gateway.url}", model: m, dimensions: 16, retrySeconds: 0, maxInputs: 2 }
tenants:
  "${workspace.tenant}": { provider: cloud }
`,
    );
    await fill(workspace);
    gateway.options = {
      ...gateway.options,
      behave: ({ number }) => (number > 20 ? { status: 503, body: {} } : null),
    };
    const running = workspace.start(SLOWLY);
    await running.stderrHas(/^Provider cloud .* did not answer: .*; trying again for up to 5 min$/m);
    gateway.options = { dimensions: 16 };
    const ended = await running.ended;
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    expect(reportOf(ended)).toMatchObject({ error: null, failures: [], entities: [{ stored: ROWS }] });
    expect(ended.stderr).toMatch(BACK);
    expect(new Set(gateway.paid.values())).toEqual(new Set([1]));
    await expectComplete(workspace);
  });

  it('database user may have few connections makes do with those', async () => {
    await using workspace = await createOnServers();
    await fill(workspace);
    const role = `vecpipe_role_${randomBytes(6).toString('hex')}`;
    await workspace.sql(`create role ${role} login superuser connection limit 2 password 'x'`);
    // Superusers are not counted.
    await workspace.sql(
      `alter role ${role} nosuperuser`,
      `grant pg_read_all_data, pg_write_all_data to ${role}`,
    );
    try {
      const url = Object.assign(new URL(workspace.environment.DATABASE_URL ?? ''), {
        username: role,
        password: 'x',
      });
      const ended = await workspace.run(SLOWLY, { environment: { DATABASE_URL: url.href } });
      expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    } finally {
      await workspace.sql(`drop owned by ${role}`, `drop role ${role}`);
    }
    await expectComplete(workspace);
  });

  it('database is read-only says so and does not wait', async () => {
    await using workspace = await createOnServers();
    await fill(workspace);
    const database = new URL(workspace.environment.DATABASE_URL ?? '').pathname.slice(1);
    await workspace.sql(`alter database ${database} set default_transaction_read_only = on`);
    expect(await workspace.json(['vectorize'])).toMatchObject({
      exitCode: 4,
      error: { code: 'database_read_only' },
    });
  });
});
