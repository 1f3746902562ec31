import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/ports/database.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import { listRuns } from '../../src/runs/list-runs.ts';
import { canRecordRuns, recordRunEnd, recordRunStart } from '../../src/runs/record-run.ts';
import { recoverLeases } from '../../src/runs/recover-leases.ts';
import { startHeartbeat } from '../../src/runs/run-heartbeat.ts';
import { processSpace, processStartTicks } from '../../src/util/process-space.ts';
import { useMigrated } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { queueOf, uniqueName } from '../helpers/pipeline.ts';

/** A process that cannot be looked at from here. */
const ELSEWHERE = { machine: 'elsewhere/boot/4026531836', pid: 1, ticks: 1 };

for (const variant of availableDatabases()) describeRuns(variant);

function describeRuns(variant: DatabaseVariant): void {
  describe(`runs on ${variant.name}`, () => {
    let database: Database;
    useMigrated(variant, (opened) => {
      database = opened.database;
    });
    beforeEach(async () => {
      await database.execute('truncate vecpipe.runs, vecpipe.queue');
    });

    async function startRun(tenant = '1'): Promise<string> {
      const id = randomUUID();
      await recordRunStart(database, { id, command: 'vectorize', tenants: [tenant], entities: ['items'] });
      return id;
    }

    /** A run of another process that holds the lease of a row. */
    async function runOf(
      process: { machine?: string; pid: number; ticks: number | null },
      tenant: string,
    ): Promise<string> {
      const id = await startRun(tenant);
      await database.query(
        'update vecpipe.runs set machine = $2, pid = $3, process_started_ticks = $4 where id = $1::uuid',
        [id, process.machine ?? processSpace(), process.pid, process.ticks],
      );
      await database.query(
        `insert into vecpipe.queue (tenant, entity, key, operation) values ($1, 'items', 'k', 'upsert')`,
        [tenant],
      );
      await claimBatch(database, { tenant, entity: 'items', runId: id, limit: 1, leaseMs: 60_000 });
      return id;
    }

    const isLeased = async (tenant: string) => (await queueOf(database, tenant))[0]?.leased;

    async function spawnIdle() {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
      await once(child, 'spawn');
      const pid = child.pid ?? 0;
      const kill = async () => {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      };
      return { pid, ticks: processStartTicks(pid), kill };
    }

    test('are recorded from start to end', async () => {
      const id = await startRun();
      expect(await listRuns(database, ['1'], { limit: 9 })).toEqual([
        {
          id,
          command: 'vectorize',
          who: expect.stringMatching(/^[^@]+@.+$/),
          tenants: ['1'],
          entities: ['items'],
          startedAt: expect.any(Date),
          seenAt: expect.any(Date),
          finishedAt: null,
          exitCode: null,
          counts: null,
          error: null,
          state: 'running',
        },
      ]);
      await recordRunEnd(database, id, { exitCode: 1, counts: { stored: 2 }, error: 'It broke.' });
      expect(await listRuns(database, ['1'], { limit: 9 })).toEqual([
        expect.objectContaining({
          id,
          finishedAt: expect.any(Date),
          exitCode: 1,
          counts: { stored: 2 },
          error: 'It broke.',
          state: 'ended',
        }),
      ]);
      const { rows } = await database.query('select counts, tenants, entities from vecpipe.runs');
      expect(rows).toEqual([{ counts: { stored: 2 }, tenants: ['1'], entities: ['items'] }]);
    });

    test('are recorded once, however often it is tried, and keep how they ended', async () => {
      const id = await startRun();
      await recordRunEnd(database, id, { exitCode: 5, counts: { stored: 2 }, error: null });
      const start = { id, command: 'sync', tenants: ['2'], entities: [] };
      await recordRunStart(database, start);
      expect(await listRuns(database, ['1', '2'], { limit: 9 })).toEqual([
        expect.objectContaining({ id, command: 'vectorize', exitCode: 5, counts: { stored: 2 } }),
      ]);
    });

    test('are listed without their own workers, the run that asks, and those that only looked', async () => {
      const id = await startRun();
      const run = { tenants: ['1'], entities: [] };
      await recordRunStart(database, { ...run, id: randomUUID(), command: 'vectorize', parentId: id });
      const look = randomUUID();
      await recordRunStart(database, { ...run, id: look, command: 'credits balance' });
      const asking = randomUUID();
      await recordRunStart(database, { ...run, id: asking, command: 'status' });
      const ids = async (options: { changesOnly?: boolean; exceptId?: string }) =>
        (await listRuns(database, ['1'], { limit: 9, ...options })).map((listed) => listed.id);
      expect(await ids({})).toEqual([asking, look, id]);
      expect(await ids({ exceptId: asking })).toEqual([look, id]);
      expect(await ids({ changesOnly: true })).toEqual([id]);
    });

    test('are listed for their tenants, the newest first', async () => {
      const first = await startRun('1');
      const second = await startRun('2');
      const third = await startRun('1');
      const ids = async (tenants: string[], limit = 9) =>
        (await listRuns(database, tenants, { limit })).map(({ id }) => id);
      expect(await ids(['1'])).toEqual([third, first]);
      expect(await ids(['1', '2'])).toEqual([third, second, first]);
      expect(await ids(['1', '2'], 1)).toEqual([third]);
      expect(await ids(['3'])).toEqual([]);
    });

    test('of a process that was killed have died, and its leases are free at once', async () => {
      const child = await spawnIdle();
      const tenant = uniqueName('tenant');
      const id = await runOf(child, tenant);
      const own = await startRun();
      await child.kill();
      expect((await listRuns(database, [tenant], { limit: 1 }))[0]?.state).toBe('died');
      expect(await recoverLeases(database, own)).toBe(1);
      expect(await queueOf(database, tenant)).toEqual([
        expect.objectContaining({ leased: false, unconfirmed: true, attempts: 1 }),
      ]);
      expect(await listRuns(database, [tenant], { limit: 1 })).toEqual([
        expect.objectContaining({
          id,
          state: 'died',
          exitCode: null,
          error: expect.stringContaining('died'),
        }),
      ]);
      expect(await recoverLeases(database, own)).toBe(0);
    });

    test.skipIf(variant.kind !== 'postgres')('of a process that lives keep their leases', async () => {
      const child = await spawnIdle();
      try {
        const tenant = uniqueName('tenant');
        await runOf(child, tenant);
        expect(await recoverLeases(database, await startRun())).toBe(0);
        expect(await isLeased(tenant)).toBe(true);
        expect((await listRuns(database, [tenant], { limit: 1 }))[0]?.state).toBe('running');
      } finally {
        await child.kill();
      }
    });

    test.skipIf(variant.kind !== 'postgres')(
      'of another machine keep their leases, whatever their process id',
      async () => {
        const tenant = uniqueName('tenant');
        await runOf({ machine: 'elsewhere/boot/4026531836', pid: 2 ** 22 + 1, ticks: 1 }, tenant);
        expect(await recoverLeases(database, await startRun())).toBe(0);
        expect(await isLeased(tenant)).toBe(true);
      },
    );

    const lastSeen = (id: string, ago: string) =>
      database.query(`update vecpipe.runs set seen_at = now() - $2::interval where id = $1::uuid`, [id, ago]);

    test('of another machine have died when they have given no sign of life for two minutes', async () => {
      const theirs = await runOf(ELSEWHERE, uniqueName('tenant'));
      const ours = await startRun();
      const state = async (id: string) => {
        const { rows } = await database.query<{ tenants: string[] }>(
          'select tenants from vecpipe.runs where id = $1::uuid',
          [id],
        );
        return (await listRuns(database, rows[0]?.tenants ?? [], { limit: 1 }))[0]?.state;
      };
      await lastSeen(theirs, '110 seconds');
      expect(await state(theirs)).toBe('running');
      await lastSeen(theirs, '130 seconds');
      expect(await state(theirs)).toBe('died');
      // Here the process itself can be looked at, whatever keeps it from reaching the database.
      await lastSeen(ours, '130 seconds');
      expect(await state(ours)).toBe('running');
    });

    test.skipIf(variant.kind !== 'postgres')(
      'of another machine are noted as dead after ten silent minutes, once their leases have ended by time',
      async () => {
        const tenant = uniqueName('tenant');
        const id = await runOf(ELSEWHERE, tenant);
        const isNoted = async () => {
          await recoverLeases(database, await startRun());
          return (await listRuns(database, [tenant], { limit: 1 }))[0]?.finishedAt !== null;
        };
        await lastSeen(id, '11 minutes');
        expect(await isNoted()).toBe(false);
        expect(await isLeased(tenant)).toBe(true);
        await database.execute(`update vecpipe.queue set lease_until = now() - interval '1 second'`);
        await lastSeen(id, '9 minutes');
        expect(await isNoted()).toBe(false);
        await lastSeen(id, '11 minutes');
        expect(await isNoted()).toBe(true);
      },
    );

    test('that were taken for dead and were only cut off are alive at their next sign of life', async () => {
      const tenant = uniqueName('tenant');
      const id = await runOf(ELSEWHERE, tenant);
      await lastSeen(id, '1 hour');
      await database.query('update vecpipe.runs set finished_at = now() where id = $1::uuid', [id]);
      const read = async () => (await listRuns(database, [tenant], { limit: 1 }))[0];
      expect(await read()).toMatchObject({ state: 'died' });
      {
        await using _heartbeat = startHeartbeat(database, id, { intervalMs: 5 });
        await expect.poll(read).toMatchObject({ state: 'running', finishedAt: null, error: null });
      }
      await recordRunEnd(database, id, { exitCode: 0, counts: {}, error: null });
      expect(await read()).toMatchObject({ state: 'ended', exitCode: 0 });
    });

    test('can be recorded where there is the right to, and nowhere else', async () => {
      expect(await canRecordRuns(database)).toBe(true);
      const rolledBack = new Error('rolled back');
      const askedAfter = async (script: string) => {
        let answer: boolean | undefined;
        const asking = database.transaction(async (tx) => {
          await tx.execute(script);
          answer = await canRecordRuns(tx);
          throw rolledBack;
        });
        await expect(asking).rejects.toBe(rolledBack);
        return answer;
      };
      expect(await askedAfter('set transaction read only')).toBe(false);
      const reader = `create role vecpipe_test_reader; grant usage on schema vecpipe to vecpipe_test_reader;
        grant select on vecpipe.runs to vecpipe_test_reader; set local role vecpipe_test_reader`;
      expect(await askedAfter(reader)).toBe(false);
    });

    test.skipIf(variant.kind !== 'postgres' || process.platform !== 'linux')(
      'of a process whose id now belongs to another have died',
      async () => {
        const tenant = uniqueName('tenant');
        await runOf({ pid: process.pid, ticks: (processStartTicks() ?? 0) - 1 }, tenant);
        expect(await recoverLeases(database, await startRun())).toBe(1);
        expect(await isLeased(tenant)).toBe(false);
      },
    );

    test.skipIf(variant.kind !== 'pglite')(
      'in a database that only one process can open have all died but our own',
      async () => {
        const tenant = uniqueName('tenant');
        await runOf(ELSEWHERE, tenant);
        expect(await recoverLeases(database, await startRun())).toBe(1);
        expect(await isLeased(tenant)).toBe(false);
      },
    );

    test('keep their own leases', async () => {
      const tenant = uniqueName('tenant');
      const own = await runOf({ pid: process.pid, ticks: processStartTicks() }, tenant);
      expect(await recoverLeases(database, own)).toBe(0);
      expect(await isLeased(tenant)).toBe(true);
    });

    test('that ended without giving their leases back have them freed, and stay as they were', async () => {
      const tenant = uniqueName('tenant');
      const id = await runOf(ELSEWHERE, tenant);
      await recordRunEnd(database, id, { exitCode: 4, counts: {}, error: 'The database was away.' });
      expect(await recoverLeases(database, await startRun())).toBe(1);
      expect(await queueOf(database, tenant)).toEqual([
        expect.objectContaining({ leased: false, unconfirmed: true }),
      ]);
      expect((await listRuns(database, [tenant], { limit: 1 }))[0]).toMatchObject({
        state: 'ended',
        exitCode: 4,
        error: 'The database was away.',
      });
    });
  });
}
