import { describe, expect, it } from 'vitest';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import type { GatewayServer } from '../helpers/gateway-server.ts';
import {
  createOnServers,
  embedded,
  projectRecords,
  readReport,
  runAlone,
  servers,
} from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const ROWS = 300;
/** Many small batches, so that there is something to share. */
const VECTORIZE = ['vectorize', '--entity', 'projects', '--batch-size', '10', '--concurrency', '2'];

interface Site extends AsyncDisposable {
  workspace: Workspace;
  gateway: GatewayServer;
}

/** Rows in the queue, and a gateway that takes its time. */
async function openSite({
  latencyMs = 50,
  credits,
}: { latencyMs?: number; credits?: number } = {}): Promise<Site> {
  const gateway = await openGatewayServer({ dimensions: 16, latencyMs });
  const workspace = await createOnServers();
  await workspace.write(
    'vecpipe.config.yaml',
    `providers:
  cloud: { kind: gateway, baseURL: "${gateway.url}", model: m, dimensions: 16, maxInputs: 10 }
tenants:
  "${workspace.tenant}": { provider: cloud }
`,
  );
  await workspace.write('projects.ndjson', projectRecords(ROWS));
  if (credits !== undefined) await workspace.run(['credits', 'grant', `${credits}`]);
  expect((await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet'])).exitCode).toBe(0);
  return {
    workspace,
    gateway,
    [Symbol.asyncDispose]: async () => {
      await workspace[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** Worker processes that have not ended, by their number. */
async function livingWorkers(workspace: Workspace): Promise<number[]> {
  const rows = await workspace.sql<{ pid: number }>(
    'select pid from vecpipe.runs where parent_id is not null and finished_at is null order by started_at',
  );
  return rows.map(({ pid }) => pid);
}

async function until<Value>(look: () => Promise<Value>, isIt: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await look();
    if (isIt(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const isGone = (pid: number) => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

async function expectNothingHeld(workspace: Workspace): Promise<void> {
  expect(
    await workspace.sql(
      `select (select count(*) from vecpipe.queue where lease_token is not null) as leases,
        (select count(*) from vecpipe.credit_reservations) as reservations`,
    ),
  ).toEqual([{ leases: 0, reservations: 0 }]);
}

async function expectComplete({ workspace, gateway }: Site): Promise<void> {
  const { status } = await workspace.json<{ status: object[] }>(['status', '--entity', 'projects']);
  expect(status).toMatchObject([{ rows: ROWS, stored: ROWS, points: ROWS, pending: 0, leased: 0 }]);
  expect(gateway.paid.size).toBe(ROWS);
  await expectNothingHeld(workspace);
}

describe.skipIf(servers === null)('worker processes', { concurrent: true }, () => {
  it('share the queue, each text is paid once, and their counts add up in one run', async () => {
    await using site = await openSite({ credits: 1_000_000 });
    const { workspace, gateway } = site;
    const report = await workspace.json([...VECTORIZE, '--workers', '3']);
    expect(report).toMatchObject({ exitCode: 0, error: null, failures: [] });
    const tokens = gateway.reportedTokens;
    expect(report.entities).toMatchObject([
      { embedded: ROWS, stored: ROWS, pending: 0, failed: 0, tokens, credits: tokens },
    ]);
    // They do not take each other for somebody else.
    expect(report.stderr).not.toContain('Waiting');
    expect([...new Set(gateway.paid.values())]).toEqual([1]);
    await expectComplete(site);
    const runs = await workspace.sql(
      `select command, count(*) as runs, count(exit_code) as ended, count(distinct pid) as processes
       from vecpipe.runs where command in ('vectorize', 'worker') group by 1 order by 1`,
    );
    expect(runs).toEqual([
      { command: 'vectorize', runs: 1, ended: 1, processes: 1 },
      { command: 'worker', runs: 3, ended: 3, processes: 3 },
    ]);
    const listed = await workspace.run(['status', '--runs']);
    expect(listed.stdout).toMatch(/vectorize/);
    expect(listed.stdout).not.toMatch(/worker/);
  });

  it('that are killed are replaced, and nothing is lost', async () => {
    await using site = await openSite({ latencyMs: 150 });
    const { workspace, gateway } = site;
    const running = workspace.start([...VECTORIZE, '--workers', '2', '--json']);
    await gateway.reached(6);
    const [first = 0] = await livingWorkers(workspace);
    process.kill(first, 'SIGKILL');
    const report = readReport(await running.ended);
    expect(report).toMatchObject({ exitCode: 0, error: null, entities: [{ pending: 0, failed: 0 }] });
    expect(report.stderr).toContain('Warning: a worker was ended by SIGKILL; another takes its place');
    await expectComplete(site);
  });

  it('stop with their run, give everything back, and the same command completes', async () => {
    await using site = await openSite({ latencyMs: 150, credits: 1_000_000 });
    const { workspace, gateway } = site;
    const running = workspace.start([...VECTORIZE, '--workers', '2', '--grace', '2s']);
    await gateway.reached(6);
    const pids = await livingWorkers(workspace);
    expect(pids).toHaveLength(2);
    running.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ exitCode: 143 });
    expect(pids.map(isGone)).toEqual([true, true]);
    await expectNothingHeld(workspace);
    expect(await workspace.json(VECTORIZE)).toMatchObject({ exitCode: 0 });
    await expectComplete(site);
  });

  it('get the signal of a whole group together with their run, and give everything back', async () => {
    await using site = await openSite({ latencyMs: 150, credits: 1_000_000 });
    const { workspace, gateway } = site;
    const running = workspace.start([...VECTORIZE, '--workers', '2', '--grace', '2s']);
    await gateway.reached(6);
    const pids = await livingWorkers(workspace);
    running.kill('SIGINT');
    for (const pid of pids) process.kill(pid, 'SIGINT');
    // Late enough to be a second one for whoever was told by its run before.
    await until(
      async () => pids.map(isGone),
      (gone) => gone.some(Boolean),
    );
    expect(await running.ended).toMatchObject({ exitCode: 130 });
    await expectNothingHeld(workspace);
  });

  it('that somebody else stops are replaced', async () => {
    await using site = await openSite({ latencyMs: 150 });
    const { workspace, gateway } = site;
    const running = workspace.start([...VECTORIZE, '--workers', '2', '--json']);
    await gateway.reached(6);
    for (const pid of await livingWorkers(workspace)) process.kill(pid, 'SIGTERM');
    expect(readReport(await running.ended)).toMatchObject({ exitCode: 0, entities: [{ pending: 0 }] });
    await expectComplete(site);
  });

  it('end by themselves when their run is killed, and hold nothing', async () => {
    await using site = await openSite({ latencyMs: 150, credits: 1_000_000 });
    const { workspace, gateway } = site;
    const running = workspace.start([...VECTORIZE, '--workers', '2']);
    await gateway.reached(6);
    const pids = await livingWorkers(workspace);
    running.kill('SIGKILL');
    await running.ended;
    await until(
      async () => pids.map(isGone),
      (gone) => gone.every(Boolean),
    );
    await expectNothingHeld(workspace);
    expect(await workspace.json(VECTORIZE)).toMatchObject({ exitCode: 0 });
    await expectComplete(site);
  });

  it('keep to the limit of their run together', async () => {
    await using site = await openSite({ credits: 1_000_000 });
    const { workspace, gateway } = site;
    const report = await workspace.json([...VECTORIZE, '--workers', '3', '--max-credits', '1000']);
    expect(report).toMatchObject({ exitCode: 5, error: { code: 'max_credits_reached' } });
    const [entity] = report.entities;
    expect(entity?.credits).toBe(gateway.reportedTokens);
    expect(entity?.credits).toBeLessThanOrEqual(1000);
    expect(entity?.credits).toBeGreaterThan(500);
    expect((entity?.stored ?? 0) + (entity?.pending ?? 0)).toBe(ROWS);
    await expectNothingHeld(workspace);
  });

  it('of a provider that fails end the run with its reason, once', async () => {
    await using site = await openSite();
    const { workspace, gateway } = site;
    gateway.options = { ...gateway.options, behave: () => ({ status: 401 }) };
    const report = await workspace.json([...VECTORIZE, '--workers', '2']);
    expect(report).toMatchObject({ error: { code: 'provider_auth' }, entities: [{ pending: ROWS }] });
    expect(report.exitCode).toBe(4);
    await expectNothingHeld(workspace);
  });
});

it('an embedded database is worked on by one process, which says so', async () => {
  await using workspace = await embedded.create();
  await workspace.write('projects.ndjson', projectRecords(40));
  await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
  const report = await workspace.json([...VECTORIZE, '--workers', '4']);
  expect(report).toMatchObject({ exitCode: 0, entities: [{ stored: 40 }] });
  expect(report.stderr).toContain(
    '--workers 4 is left out: the embedded database can be opened by one process only',
  );
});

it('a worker that nobody has started for a run says so', async () => {
  const args = ['worker', '--run', 'x', '--of', '2', '--batch-size', '1', '--batches', '1'];
  const { exitCode, stderr } = await runAlone(args);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('vecpipe worker is started by `vecpipe vectorize --workers`');
});
