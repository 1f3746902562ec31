import { describe, expect, it } from 'vitest';
import { openTcpProxy } from '../helpers/tcp-proxy.ts';
import { testQdrantUrl } from '../helpers/stores.ts';
import { createOnServers, embedded, projectRecords, readReport, servers } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const ONE_BY_ONE = [
  'vectorize',
  '--entity',
  'projects',
  '--batch-size',
  '1',
  '--concurrency',
  '1',
  '--verbose',
];

async function fill(workspace: Workspace, rows: number): Promise<void> {
  await workspace.write('projects.ndjson', projectRecords(rows));
  await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
}

/** Everything stored once, nothing left to do, no lease left behind. */
async function expectComplete(workspace: Workspace, rows: number): Promise<void> {
  const { status } = await workspace.json<{ status: object[] }>(['status', '--entity', 'projects']);
  expect(status).toMatchObject([
    { rows, stored: rows, points: rows, recordedPoints: rows, pending: 0, leased: 0, failed: 0 },
  ]);
}

describe('the embedded database', () => {
  it('belongs to one process: the second is told which one, and ends with 4', async () => {
    await using workspace = await embedded.create();
    const first = workspace.start(['sync', '--from', '-', '--entity', 'projects', '--verbose'], {
      keepStdinOpen: true,
    });
    await first.stderrHas(/^Reading standard input$/m);
    const second = await workspace.json(['vectorize']);
    expect(second).toMatchObject({ exitCode: 4, error: { code: 'database_in_use' } });
    expect(second.error?.message).toMatch(
      new RegExp(`is in use by process ${first.pid} \\(vecpipe sync, since \\d\\d:\\d\\d:\\d\\d\\)$`),
    );
    expect(second.error?.hint).toContain('DATABASE_URL');
    first.write(projectRecords(2));
    first.kill('SIGTERM');
    expect((await first.ended).exitCode).toBe(143);
    // The folder is free again at once.
    expect(await workspace.json(['status'])).toMatchObject({ exitCode: 0 });
  });
});

// Most of their time goes by in waiting, so they do that together.
describe.skipIf(servers === null)('on servers', { concurrent: true }, () => {
  it('several processes begin at once and share the work: each row is embedded once', async () => {
    // More than two of them get done while the third one starts.
    const rows = 4_000;
    await using workspace = await createOnServers();
    // None of them finds vecpipe's tables.
    const begun = await Promise.all(
      [1, 2, 3].map(() => workspace.run(['init', '--quiet'], { tenant: false })),
    );
    for (const { exitCode, stderr } of begun)
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    await fill(workspace, rows);
    const args = ['vectorize', '--entity', 'projects', '--batch-size', '5', '--concurrency', '1'];
    // Nor does any of these two find the collection.
    const first = workspace.start([...args, '--json', '--verbose']);
    const second = workspace.json(args);
    await first.stderrHas(/^Stored point/m);
    const reports = [await workspace.json(args), await second, readReport(await first.ended)];
    for (const report of reports) {
      expect(report).toMatchObject({ exitCode: 0, error: null, failures: [] });
      expect(report.entities[0]?.embedded).toBeGreaterThan(0);
    }
    expect(reports.reduce((sum, { entities }) => sum + (entities[0]?.embedded ?? 0), 0)).toBe(rows);
    await expectComplete(workspace, rows);
  });

  it('a database that drops its connections during a run loses no work', async () => {
    await using workspace = await createOnServers();
    await fill(workspace, 200);
    const running = workspace.start([...ONE_BY_ONE, '--json']);
    await running.stderrHas(/^Stored point/m);
    await workspace.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    const { exitCode, stderr } = await running.ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const completed = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(completed).toMatchObject({ exitCode: 0, error: null });
    expect(completed.stderr).not.toContain('Waiting');
    await expectComplete(workspace, 200);
  });

  it('a vector store that is away for a moment is waited for', async () => {
    await using proxy = await openTcpProxy(testQdrantUrl ?? '');
    await using workspace = await createOnServers({ QDRANT_URL: proxy.url });
    await fill(workspace, 60);
    const running = workspace.start([...ONE_BY_ONE, '--json']);
    await running.stderrHas(/^Stored point/m);
    await proxy.cut();
    await proxy.restore();
    expect((await running.ended).exitCode).toBe(0);
    await expectComplete(workspace, 60);
  });

  it('a vector store that dies during a run ends it with 4, and the queue keeps what is left', async () => {
    await using proxy = await openTcpProxy(testQdrantUrl ?? '');
    await using workspace = await createOnServers({ QDRANT_URL: proxy.url });
    await fill(workspace, 300);
    const running = workspace.start([...ONE_BY_ONE, '--json', '--max-outage', '1s']);
    await running.stderrHas(/^Stored point/m);
    await proxy.cut();
    const { exitCode, stdout, stderr } = await running.ended;
    expect(exitCode).toBe(4);
    const report = JSON.parse(stdout) as {
      entities: { stored: number; pending: number }[];
      error: { code: string };
    };
    expect(report.error.code).toBe('store_unreachable');
    expect(
      stderr.match(/cannot reach Qdrant at \S+ \(QDRANT_URL\): connection refused/g)?.length,
    ).toBeGreaterThan(0);
    const [counts] = report.entities;
    expect((counts?.stored ?? 0) + (counts?.pending ?? 0)).toBe(300);
    expect(
      await workspace.sql(
        `select count(*) as queued, count(lease_token) as leased, count(error) as failed from vecpipe.queue`,
      ),
    ).toEqual([{ queued: counts?.pending, leased: 0, failed: 0 }]);

    await proxy.restore();
    const completed = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(completed).toMatchObject({ exitCode: 0, error: null });
    await expectComplete(workspace, 300);
  });

  it('a vector store that hangs holds up a stop for the time of grace, and a second signal for no time', async () => {
    await using proxy = await openTcpProxy(testQdrantUrl ?? '');
    await using workspace = await createOnServers({ QDRANT_URL: proxy.url });
    await fill(workspace, 200);
    const startAndStall = async () => {
      const running = workspace.start([...ONE_BY_ONE, '--grace', '5s']);
      await running.stderrHas(/^Stored point/m);
      proxy.stall();
      return { running, stalledAt: performance.now() };
    };

    const impatient = await startAndStall();
    impatient.running.kill('SIGTERM');
    impatient.running.kill('SIGINT');
    expect([130, 143]).toContain((await impatient.running.ended).exitCode);
    expect(performance.now() - impatient.stalledAt).toBeLessThan(5_000);
    await proxy.cut();
    await proxy.restore();

    const patient = await startAndStall();
    patient.running.kill('SIGTERM');
    const { exitCode, stderr } = await patient.running.ended;
    expect(exitCode).toBe(143);
    expect(stderr).toContain('vecpipe vectorize: stopped by SIGTERM\n  the same command resumes\n');
    expect(performance.now() - patient.stalledAt).toBeLessThan(20_000);
    expect(await workspace.sql('select key from vecpipe.queue where lease_token is not null')).toEqual([]);

    await proxy.cut();
    await proxy.restore();
    const completed = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(completed).toMatchObject({ exitCode: 0, entities: [{ pending: 0, failed: 0 }] });
    const { status } = await workspace.json<{ status: object[] }>(['status', '--entity', 'projects']);
    expect(status).toMatchObject([{ rows: 200, stored: 200, points: 200 }]);
  });
});
