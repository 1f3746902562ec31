import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Health } from '../../src/cli/health-file.ts';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import { runInProcess } from '../helpers/run-in-process.ts';
import { openTcpProxy } from '../helpers/tcp-proxy.ts';
import { testQdrantUrl } from '../helpers/stores.ts';
import {
  createOnServers,
  embedded,
  projectRecords,
  quickest,
  readReport,
  runAlone,
  servers,
} from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const WATCH = ['vectorize', '--watch', '--entity', 'projects', '--health-file', 'health.json', '--json'];
/** Less than what lies between two sweeps: what is done by then was not found by one. */
const BEFORE_SWEEP_MS = 25_000;

const health = async (workspace: Workspace): Promise<Health> =>
  JSON.parse(await readFile(join(workspace.folder, 'health.json'), 'utf8')) as Health;

/** What the runs of a workspace hold or have still to do. */
const held = async (workspace: Workspace) => {
  const [counts] = await workspace.sql<Record<string, number>>(
    `select count(*) as queued, count(lease_token) as leased,
      (select count(*) from vecpipe.credit_reservations) as reserved,
      (select count(*) from vecpipe.vector_state) as stored from vecpipe.queue`,
  );
  return counts;
};

/** Writes records and queues them, as another process. */
async function sync(workspace: Workspace, rows: number, from = 1): Promise<void> {
  await workspace.write('projects.ndjson', projectRecords(rows, from));
  expect((await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet'])).exitCode).toBe(0);
}

describe.skipIf(servers === null)('a watch, Postgres and Qdrant', { concurrent: true }, () => {
  it('wakes when another process commits, says what it does, and ends at a signal', async ({ expect }) => {
    await using workspace = await createOnServers();
    await sync(workspace, 3);
    const running = workspace.start(WATCH);
    await running.stderrHas(/^Waiting for work$/m);
    const idleAt = performance.now();
    await expect
      .poll(() => health(workspace))
      .toMatchObject({
        state: 'idle',
        pid: running.pid,
        runId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        lastPassAt: expect.stringMatching(/^\d{4}-/) as string,
        lastError: null,
      });
    const { runId } = await health(workspace);
    expect(await held(workspace)).toMatchObject({ queued: 0, stored: 3 });

    for (const from of [4, 7]) {
      await sync(workspace, 3, from);
      await expect
        .poll(() => held(workspace), { timeout: BEFORE_SWEEP_MS - (performance.now() - idleAt) })
        .toMatchObject({ queued: 0, stored: from + 2 });
    }

    running.kill('SIGTERM');
    const report = readReport(await running.ended);
    expect(report).toMatchObject({
      exitCode: 143,
      runId,
      failures: [],
      error: { code: 'interrupted', message: 'stopped by SIGTERM' },
    });
    expect(report.entities).toMatchObject([{ stored: 9, queued: 0, pending: 0, failed: 0 }]);
    expect(report.stderr.match(/^projects of tenant \S+: 3 stored/gm)).toHaveLength(3);
    expect(await held(workspace)).toMatchObject({ queued: 0, leased: 0, reserved: 0 });
    expect((await readdir(workspace.folder)).filter((name) => name.includes('health'))).toEqual([]);
  });

  it('goes on when all its connections are killed', async ({ expect }) => {
    await using workspace = await createOnServers();
    const running = workspace.start(WATCH);
    await running.stderrHas(/^Waiting for work$/m);
    const killed = await workspace.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
        and application_name = 'vecpipe' and pid <> pg_backend_pid()`,
    );
    expect(killed.length).toBeGreaterThanOrEqual(2);
    await sync(workspace, 5);
    await expect
      .poll(() => held(workspace), { timeout: BEFORE_SWEEP_MS })
      .toMatchObject({ queued: 0, stored: 5 });
    running.kill('SIGINT');
    const report = readReport(await running.ended);
    expect(report).toMatchObject({ exitCode: 130, entities: [{ stored: 5 }] });
  });

  it('that is busy gives up after its grace, and gives back what it has leased', async ({ expect }) => {
    await using gateway = await openGatewayServer({ dimensions: 16, latencyMs: 600_000 });
    await using workspace = await createOnServers();
    await workspace.write(
      'vecpipe.config.yaml',
      `providers:
  slow: { kind: gateway, baseURL: "${gateway.url}", model: m, dimensions: 16 }
tenants:
  "${workspace.tenant}": { provider: slow }
`,
    );
    await sync(workspace, 20);
    const running = workspace.start([...WATCH, '--grace', '500ms']);
    await gateway.reached(1);
    await expect.poll(() => health(workspace)).toMatchObject({ state: 'working' });
    expect(await held(workspace)).toMatchObject({ queued: 20, leased: 20 });
    running.kill('SIGTERM');
    await expect.poll(() => health(workspace)).toMatchObject({ state: 'stopping' });
    const report = readReport(await running.ended);
    expect(report).toMatchObject({ exitCode: 143, failures: [], error: { code: 'interrupted' } });
    expect(await held(workspace)).toMatchObject({ queued: 20, leased: 0, reserved: 0, stored: 0 });

    gateway.options = { ...gateway.options, latencyMs: 0 };
    const completed = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(completed).toMatchObject({ exitCode: 0, entities: [{ stored: 20, pending: 0 }] });
  });

  it('goes on when a provider is down, and says so', async ({ expect }) => {
    await using gateway = await openGatewayServer({ dimensions: 16 });
    await using workspace = await createOnServers();
    await workspace.write(
      'vecpipe.config.yaml',
      `providers:
  cloud: { kind: gateway, baseURL: "${gateway.url}", model: m, dimensions: 16 }
tenants:
  "${workspace.tenant}": { provider: cloud }
`,
    );
    gateway.options = { ...gateway.options, behave: () => ({ status: 401, body: {} }) };
    await sync(workspace, 3);
    const running = workspace.start(WATCH);
    await running.stderrHas(/^Waiting for work$/m);
    await expect
      .poll(() => health(workspace))
      .toMatchObject({
        state: 'waiting',
        lastError: expect.stringMatching(/^projects of tenant \S+: .* \(provider_auth\)$/) as string,
      });
    running.kill('SIGTERM');
    const report = readReport(await running.ended);
    expect(report).toMatchObject({
      exitCode: 143,
      entities: [{ stored: 0, pending: 3, failed: 0 }],
      failures: [{ entity: 'projects', key: '*', code: 'provider_auth' }],
    });
    expect(report.stderr.match(/\(provider_auth\)$/gm)).toHaveLength(2);
    expect(await held(workspace)).toMatchObject({ queued: 3, leased: 0, reserved: 0 });
  });

  it('ends with 4 when the store is away for too long, and leaves no health file', async ({ expect }) => {
    await using proxy = await openTcpProxy(testQdrantUrl ?? '');
    await using workspace = await createOnServers({ QDRANT_URL: proxy.url });
    await sync(workspace, 3);
    const running = workspace.start([...WATCH, '--max-outage', '500ms']);
    await running.stderrHas(/^Waiting for work$/m);
    await proxy.cut();
    await sync(workspace, 3, 4);
    const report = readReport(await running.ended);
    expect(report).toMatchObject({
      exitCode: 4,
      error: { code: 'store_unreachable' },
      entities: [{ stored: 3 }],
    });
    expect(await held(workspace)).toMatchObject({ queued: 3, leased: 0 });
    expect((await readdir(workspace.folder)).filter((name) => name.includes('health'))).toEqual([]);
    await proxy.restore();
  });
});

describe('a watch, everything embedded', () => {
  it('does what is queued, waits, and ends at a signal', async () => {
    await using workspace = await embedded.create();
    await sync(workspace, 3);
    const running = workspace.start(WATCH);
    await running.stderrHas(/^Waiting for work$/m);
    await expect.poll(() => health(workspace)).toMatchObject({ state: 'idle' });
    running.kill('SIGTERM');
    const report = readReport(await running.ended);
    expect(report).toMatchObject({ exitCode: 143, entities: [{ stored: 3, pending: 0 }] });
    expect(await held(workspace)).toMatchObject({ queued: 0, leased: 0, stored: 3 });
  });
});

describe('a watch that is asked for wrongly', () => {
  it('ends with 2 where the health file cannot be written, before anything is opened', async () => {
    const args = ['vectorize', '--watch', '--health-file', 'nowhere/health.json', '--json'];
    const report = readReport(await runAlone(args));
    expect(report).toMatchObject({
      exitCode: 2,
      error: {
        code: 'health_file_unwritable',
        message:
          'the health file nowhere/health.json (--health-file) cannot be written: there is no such folder',
      },
    });
  });

  it('ends with 2 where there is nothing to watch', async () => {
    await using workspace = await quickest.create();
    await workspace.write(
      'vecpipe.config.yaml',
      `entities: { things: { table: public.things, key: id, text: "{{ name }}" } }
tenants: { "${workspace.tenant}": {} }
`,
    );
    const report = await workspace.json(['vectorize', '--watch', '--entity', 'things']);
    expect(report).toMatchObject({ exitCode: 2, error: { code: 'relation_missing' } });
  });

  it.each([
    ['--dry-run', '--dry-run'],
    ['--limit <n>', '--limit', '3'],
    ['--refresh', '--refresh'],
  ])('is refused with %s', async (shown, ...flags) => {
    const { exitCode, stderr } = await runInProcess(['vectorize', '--watch', ...flags]);
    expect(exitCode).toBe(2);
    expect(stderr).toBe(`vecpipe: option '--watch' cannot be used with option '${shown}'\n`);
  });

  it.each(['soon', '5', '-1s'])('is refused with a grace of %s', async (grace) => {
    const { exitCode, stderr } = await runInProcess(['vectorize', '--grace', grace]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('must be a number with a unit, such as 500ms, 20s, 5m or 1h');
  });
});
