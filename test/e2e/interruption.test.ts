import { describe, expect, it } from 'vitest';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { openTcpProxy } from '../helpers/tcp-proxy.ts';
import { testDatabaseUrl } from '../helpers/databases.ts';
import { startVecpipe } from '../helpers/run-vecpipe.ts';
import {
  createOnServers,
  embedded,
  projectRecords,
  quickest,
  readReport,
  servers,
} from '../helpers/workspace.ts';

/** One row a batch and one batch at a time: slow enough to be met half way. */
const SLOW = ['vectorize', '--entity', 'projects', '--batch-size', '1', '--concurrency', '1', '--verbose'];

/** The key that migrations of every vecpipe are locked with. */
const MIGRATION_LOCK = '33325525013983333';

const SIGNALS = [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const;

describe.each([embedded, ...(servers === null ? [] : [servers])])(
  'a run that is interrupted, $name',
  { concurrent: true },
  (variant) => {
    it('says so by its exit code and leaves nothing undone or done twice, whatever the signal', async () => {
      const rows = variant.isEmbedded ? 300 : 1_000;
      const signals = variant === quickest ? SIGNALS : SIGNALS.slice(0, 1);
      await using workspace = await variant.create();
      await workspace.write('projects.ndjson', projectRecords(rows));
      await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);

      let stored = 0;
      for (const [signal, code] of signals) {
        const running = workspace.start([...SLOW, '--json']);
        await running.stderrHas(/^Stored point/m);
        const killedAt = performance.now();
        running.kill(signal);
        const report = readReport(await running.ended);
        // What is under way is one row; a tenth of a second, and a slow machine.
        expect(performance.now() - killedAt).toBeLessThan(5_000);
        expect(report).toMatchObject({
          exitCode: code,
          failures: [],
          error: { code: 'interrupted', message: `stopped by ${signal}`, hint: 'the same command resumes' },
        });
        const [counts] = report.entities;
        stored += counts?.stored ?? 0;
        expect(counts).toMatchObject({ pending: rows - stored, failed: 0 });
        expect(report.stderr).toContain(
          `vecpipe vectorize: stopped by ${signal}\n  the same command resumes\n`,
        );
      }

      const running = workspace.start(SLOW);
      await running.stderrHas(/^Stored point/m);
      running.kill('SIGKILL');
      expect((await running.ended).exitCode).toBe(137);

      const completed = await workspace.json(['vectorize', '--entity', 'projects']);
      expect(completed).toMatchObject({ exitCode: 0, error: null, failures: [] });
      // The dead process' lease is known to be nobody's: no waiting for it to run out.
      expect(completed.stderr).not.toContain('Waiting');
      expect(completed.durationMs).toBeLessThan(30_000);
      const { status, runs } = await workspace.json<{
        status: object[];
        runs: { state: string; exitCode: number }[];
      }>(['status', '--entity', 'projects']);
      expect(status).toMatchObject([
        { rows, stored: rows, points: rows, recordedPoints: rows, pending: 0, leased: 0 },
      ]);
      // The newest five of them, from `sync` on.
      const codes = signals.map(([, code]) => code).toReversed();
      expect(runs.map((run) => run.exitCode ?? run.state)).toEqual([0, 'died', ...codes, 0].slice(0, 5));
    });
  },
);

describe.skipIf(servers === null)('a run that waits for another one to migrate the database', () => {
  it('ends at the first signal', async () => {
    await using workspace = await createOnServers();
    const url = workspace.environment.DATABASE_URL ?? '';
    await using holder = await openPostgresDatabase({ url, maxConnections: 1 });
    await holder.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1::bigint)', [MIGRATION_LOCK]);
      const running = workspace.start(['vectorize', '--json']);
      let waiting = 0;
      while (waiting === 0) {
        const { rows } = await tx.query(`select from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`);
        waiting = rows.length;
      }
      const killedAt = performance.now();
      running.kill('SIGTERM');
      expect(readReport(await running.ended)).toMatchObject({
        exitCode: 143,
        error: { code: 'interrupted' },
      });
      expect(performance.now() - killedAt).toBeLessThan(5_000);
    });
  });
});

describe(`a run that waits for something, ${quickest.name}`, () => {
  it('ends when its input stays open and a signal comes, and every record read is queued', async () => {
    await using workspace = await quickest.create();
    const running = workspace.start(
      ['sync', '--from', '-', '--entity', 'projects', '--batch-size', '1', '--verbose', '--json'],
      { keepStdinOpen: true },
    );
    running.write(projectRecords(20));
    await running.stderrHas(/^Reading standard input$/m);
    running.kill('SIGTERM');
    expect(readReport(await running.ended)).toMatchObject({ exitCode: 143, error: { code: 'interrupted' } });
    const [counts] = await workspace.sql<{ rows: number; queued: number }>(
      'select (select count(*) from vecpipe.projects) as rows, (select count(*) from vecpipe.queue) as queued',
    );
    expect(counts?.queued).toBe(counts?.rows);
  });

  it('ends by itself although its input stays open, when it has read enough or nothing of it', async () => {
    await using workspace = await quickest.create();
    const reading = workspace.start(['sync', '--from', '-', '--entity', 'projects', '--limit', '3'], {
      keepStdinOpen: true,
    });
    reading.write(projectRecords(5));
    const read = await reading.ended;
    expect(read).toMatchObject({ exitCode: 0, stdout: '' });
    expect(read.stderr).toContain('Inserted 3 projects\n');
    const status = await workspace.run(['status', '--quiet'], { keepStdinOpen: true });
    expect(status.exitCode).toBe(0);
  });

  it.skipIf(testDatabaseUrl === undefined)(
    'ends when the database hangs before it has said hello',
    async () => {
      await using proxy = await openTcpProxy(testDatabaseUrl ?? '');
      proxy.stall();
      const connected = proxy.connection();
      const running = startVecpipe(['vectorize', '--json'], {
        cwd: '/',
        environment: { DATABASE_URL: proxy.url },
      });
      await connected;
      const killedAt = performance.now();
      running.kill('SIGINT');
      expect(readReport(await running.ended)).toMatchObject({
        exitCode: 130,
        error: { code: 'interrupted' },
      });
      expect(performance.now() - killedAt).toBeLessThan(5_000);
    },
  );
});
