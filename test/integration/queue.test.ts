import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database, Queryable } from '../../src/ports/database.ts';
import { readBacklog, readFailedRows } from '../../src/queue/backlog.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import type { ClaimOptions } from '../../src/queue/claim-batch.ts';
import { ON_QUEUED_ALREADY } from '../../src/queue/enqueue-sql.ts';
import { recordBatch } from '../../src/queue/record-batch.ts';
import { releaseBatch } from '../../src/queue/release-batch.ts';
import { renewLease } from '../../src/queue/renew-lease.ts';
import { requeueRows, retryFailedRows } from '../../src/queue/requeue-rows.ts';
import type { Batch, RowResult } from '../../src/queue/work.ts';
import { openMigrated } from '../helpers/backends.ts';
import type { MigratedDatabase } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { createGeneration, queueOf, stateOf, storedResult, uniqueName } from '../helpers/pipeline.ts';

for (const variant of availableDatabases()) describeQueue(variant);

function describeQueue(variant: DatabaseVariant): void {
  describe(`the queue on ${variant.name}`, () => {
    let migrated: MigratedDatabase;
    let database: Database;
    let generation: number;

    beforeAll(async () => {
      migrated = await openMigrated(variant);
      database = migrated.database;
      generation = await createGeneration(database, 'queue');
    });
    afterAll(async () => {
      await migrated?.[Symbol.asyncDispose]();
    });

    /** Queues rows of a tenant as a comparison does. */
    async function enqueue(
      tenant: string,
      keys: readonly string[],
      hash = '01',
      on: Queryable = database,
    ): Promise<void> {
      await on.query(
        `insert into vecpipe.queue as q (tenant, entity, key, operation, row_hash)
         select $1, 'items', key, 'upsert', decode($3, 'hex') from unnest($2::text[]) as key order by key
         ${ON_QUEUED_ALREADY}`,
        [tenant, keys, hash],
      );
    }

    async function tenantWith(...keys: readonly string[]): Promise<string> {
      const tenant = uniqueName('tenant');
      await enqueue(tenant, keys);
      return tenant;
    }

    const claim = (tenant: string, changes: Partial<ClaimOptions> & { on?: Queryable } = {}) =>
      claimBatch(changes.on ?? database, {
        tenant,
        entity: 'items',
        runId: randomUUID(),
        limit: 100,
        leaseMs: 60_000,
        ...changes,
      });

    async function claimed(tenant: string, changes: Parameters<typeof claim>[1] = {}): Promise<Batch> {
      const batch = await claim(tenant, changes);
      if (!batch) throw new Error('there was nothing to claim');
      return batch;
    }

    const keysOf = (batch: Batch | null) => batch?.rows.map(({ key }) => key);

    /** As if the time of the leases had passed. */
    async function expireLeases(tenant: string): Promise<void> {
      await database.query(
        `update vecpipe.queue set lease_until = now() - interval '1 second' where tenant = $1 and lease_until is not null`,
        [tenant],
      );
    }

    const allStored = (batch: Batch): RowResult[] =>
      batch.rows.map(({ key, version }) => storedResult(key, version));

    describe('a claim', () => {
      test('goes on behind the place where another ended, whatever is queued before it', async () => {
        const tenant = await tenantWith('b', 'd', 'é');
        await enqueue(tenant, ['a'], '01');
        const first = await claimed(tenant, { limit: 2 });
        expect(keysOf(first)).toEqual(['b', 'd']);
        const second = await claimed(tenant, { limit: 1, after: first.last });
        expect(keysOf(second)).toEqual(['é']);
        expect(keysOf(await claim(tenant, { after: second.last }))).toEqual(['a']);
        await releaseBatch(database, first, { written: false, reason: 'test' });
        expect(await claim(tenant, { after: second.last })).toBeNull();
        expect(keysOf(await claim(tenant))).toEqual(['b', 'd']);
      });

      test('takes rows in the order in which they were queued, up to its limit, and leases them', async () => {
        const tenant = await tenantWith('c', 'a');
        await enqueue(tenant, ['b']);
        const batch = await claimed(tenant, { limit: 2 });
        expect(batch).toMatchObject({
          tenant,
          entity: 'items',
          rows: [
            { key: 'a', operation: 'upsert', version: 1, attempts: 1, unconfirmed: false },
            { key: 'c', operation: 'upsert', version: 1, attempts: 1, unconfirmed: false },
          ],
        });
        expect(batch.leaseValidUntil).toBeGreaterThan(performance.now() + 50_000);
        expect(batch.leaseValidUntil).toBeLessThanOrEqual(performance.now() + 60_000);
        expect(
          (await queueOf(database, tenant)).map(({ key, leased, unconfirmed }) => ({
            key,
            leased,
            unconfirmed,
          })),
        ).toEqual([
          { key: 'a', leased: true, unconfirmed: true },
          { key: 'b', leased: false, unconfirmed: false },
          { key: 'c', leased: true, unconfirmed: true },
        ]);
      });

      test('skips leased rows, rows of the future, rows that rest, and everybody else’s', async () => {
        const tenant = await tenantWith('1', '2', '3', '4');
        const other = await tenantWith('1');
        await claimed(tenant, { limit: 1 });
        await database.query(
          `update vecpipe.queue set available_at = case key when '2' then now() + interval '1 hour' else 'infinity' end
           where tenant = $1 and key in ('2', '3')`,
          [tenant],
        );
        expect(keysOf(await claim(tenant))).toEqual(['4']);
        expect(await claim(tenant)).toBeNull();
        expect(await claim(tenant, { entity: 'others' })).toBeNull();
        expect(keysOf(await claim(other))).toEqual(['1']);
      });

      test('takes over rows whose lease has run out, and says that they may have been written', async () => {
        const tenant = await tenantWith('1', '2');
        const first = await claimed(tenant, { limit: 1 });
        await expireLeases(tenant);
        const second = await claimed(tenant);
        expect(second.leaseToken).not.toBe(first.leaseToken);
        expect(second.rows).toEqual([
          expect.objectContaining({ key: '1', attempts: 2, unconfirmed: true }),
          expect.objectContaining({ key: '2', attempts: 1, unconfirmed: false }),
        ]);
      });

      test('of a row that changed in the meantime has its new version', async () => {
        const tenant = await tenantWith('1');
        await claimed(tenant);
        await enqueue(tenant, ['1'], '02');
        await expireLeases(tenant);
        expect((await claimed(tenant)).rows).toEqual([
          expect.objectContaining({ version: 2, attempts: 1, unconfirmed: true }),
        ]);
      });
    });

    describe('recording', () => {
      test('stores the state of a row and takes it from the queue', async () => {
        const tenant = await tenantWith('1', '2');
        const batch = await claimed(tenant);
        const outcome = await recordBatch(database, batch, generation, allStored(batch));
        expect(outcome).toMatchObject({
          recorded: new Set(['1', '2']),
          outdated: new Set(),
          lost: new Set(),
        });
        expect(await queueOf(database, tenant)).toEqual([]);
        expect(await stateOf(database, tenant)).toEqual([
          { key: '1', chunks: 1, textHash: 'text' },
          { key: '2', chunks: 1, textHash: 'text' },
        ]);
      });

      test('replaces what was recorded before', async () => {
        const tenant = await tenantWith('1');
        const first = await claimed(tenant);
        await recordBatch(database, first, generation, allStored(first));
        await enqueue(tenant, ['1']);
        const second = await claimed(tenant);
        const result = { ...storedResult('1', 1), textHash: 'other', chunks: 3 };
        await recordBatch(database, second, generation, [result]);
        expect(await stateOf(database, tenant)).toEqual([{ key: '1', chunks: 3, textHash: 'other' }]);
      });

      test('of a deleted row forgets its state', async () => {
        const tenant = await tenantWith('1', '2');
        const first = await claimed(tenant);
        await recordBatch(database, first, generation, allStored(first));
        await enqueue(tenant, ['1']);
        const second = await claimed(tenant);
        await recordBatch(database, second, generation, [{ key: '1', version: 1, outcome: 'deleted' }]);
        expect(await queueOf(database, tenant)).toEqual([]);
        expect((await stateOf(database, tenant)).map(({ key }) => key)).toEqual(['2']);
      });

      test('of a failed row leaves it to rest with its reason, and its state as it was', async () => {
        const tenant = await tenantWith('1');
        const first = await claimed(tenant);
        await recordBatch(database, first, generation, allStored(first));
        await enqueue(tenant, ['1'], '02');
        const second = await claimed(tenant);
        const result = {
          key: '1',
          version: 1,
          outcome: 'failed',
          code: 'bad',
          reason: 'It is bad.',
          isFinal: true,
        } as const;
        expect((await recordBatch(database, second, generation, [result])).recorded).toEqual(new Set(['1']));
        expect(await queueOf(database, tenant)).toEqual([
          expect.objectContaining({ key: '1', failed: true, leased: false, code: 'bad', attempts: 1 }),
        ]);
        expect(await stateOf(database, tenant)).toHaveLength(1);
        expect(await claim(tenant)).toBeNull();
        expect(await readFailedRows(database, tenant, 'items', { limit: 9 })).toEqual([
          { key: '1', code: 'bad', message: 'It is bad.' },
        ]);
      });

      test('of a failure that may pass lets the row rest for longer and longer, and in the end for good', async () => {
        const tenant = await tenantWith('1');
        const minutes: number[] = [];
        for (let tries = 1; ; tries += 1) {
          const batch = await claimed(tenant);
          const failure = { outcome: 'failed', code: 'bad', reason: 'It is bad.', isFinal: false } as const;
          await recordBatch(database, batch, generation, [{ key: '1', version: 1, ...failure }]);
          expect(await claim(tenant)).toBeNull();
          expect(await readBacklog(database, tenant, 'items')).toMatchObject({ pending: 1, failed: 1 });
          const { rows } = await database.query<{ minutes: number | null }>(
            `select case when available_at < 'infinity' then
               round(extract(epoch from available_at - now()) / 60)::int4 end as minutes
             from vecpipe.queue where tenant = $1`,
            [tenant],
          );
          const restMinutes = rows[0]?.minutes ?? null;
          if (restMinutes === null) break;
          minutes.push(restMinutes);
          // As if the time had passed.
          await database.query('update vecpipe.queue set available_at = now() where tenant = $1', [tenant]);
        }
        expect(minutes).toEqual([1, 4, 16, 64]);
        expect(await retryFailedRows(database, tenant, 'items')).toBe(1);
        expect(await claim(tenant)).not.toBeNull();
      });

      test('of a failure that may pass ends its rest when the row changes', async () => {
        const tenant = await tenantWith('1');
        const failure = { outcome: 'failed', code: 'bad', reason: 'It is bad.', isFinal: false } as const;
        await recordBatch(database, await claimed(tenant), generation, [
          { key: '1', version: 1, ...failure },
        ]);
        await enqueue(tenant, ['1'], '02');
        expect(keysOf(await claim(tenant))).toEqual(['1']);
      });

      test('a statement whose answer was lost can be repeated: what it recorded is known to be recorded', async () => {
        const tenant = await tenantWith('1', '2', '3');
        await enqueue(tenant, ['3'], '03');
        const batch = await claimed(tenant);
        const results: RowResult[] = [
          storedResult('1', 1),
          { key: '2', version: 1, outcome: 'deleted' },
          storedResult('3', 2),
        ];
        const once = await recordBatch(database, batch, generation, results);
        expect(await recordBatch(database, batch, generation, results)).toEqual(once);
        await enqueue(tenant, ['3'], '04');
        expect((await recordBatch(database, batch, generation, results)).lost).toEqual(new Set(['3']));
      });

      test.each<[string, (version: number) => RowResult]>([
        ['stored', (version) => storedResult('1', version)],
        ['deleted', (version) => ({ key: '1', version, outcome: 'deleted' })],
        [
          'failed',
          (version) => ({ key: '1', version, outcome: 'failed', code: 'bad', reason: 'bad', isFinal: true }),
        ],
      ])(
        'of a row that changed while it was worked on does nothing but free it: %s',
        async (_name, result) => {
          const tenant = await tenantWith('1', '2');
          const batch = await claimed(tenant);
          await enqueue(tenant, ['1'], '02');
          const outcome = await recordBatch(database, batch, generation, [result(1), storedResult('2', 1)]);
          expect(outcome).toMatchObject({
            recorded: new Set(['2']),
            outdated: new Set(['1']),
            lost: new Set(),
          });
          expect(await queueOf(database, tenant)).toEqual([
            expect.objectContaining({
              key: '1',
              version: 2,
              leased: false,
              failed: false,
              unconfirmed: true,
            }),
          ]);
          expect((await stateOf(database, tenant)).map(({ key }) => key)).toEqual(['2']);
          expect((await claimed(tenant)).rows).toEqual([
            expect.objectContaining({ version: 2, unconfirmed: true }),
          ]);
        },
      );

      test('of rows whose lease has passed on, or that are gone, does nothing at all', async () => {
        const tenant = await tenantWith('1', '2', '3');
        const first = await claimed(tenant);
        await expireLeases(tenant);
        const second = await claimed(tenant, { limit: 2 });
        await recordBatch(database, { ...second, rows: second.rows.slice(0, 1) }, generation, [
          storedResult('1', 1),
        ]);
        const before = await queueOf(database, tenant);
        const results = first.rows.map(({ key, version }) => ({
          ...storedResult(key, version),
          textHash: 'late',
        }));
        expect(await recordBatch(database, first, generation, results)).toMatchObject({
          recorded: new Set(['3']),
          outdated: new Set(),
          lost: new Set(['1', '2']),
        });
        expect(await queueOf(database, tenant)).toEqual(before.filter(({ key }) => key === '2'));
        expect((await stateOf(database, tenant)).map(({ textHash }) => textHash)).toEqual(['text', 'late']);
      });

      test('of no result is nothing', async () => {
        const tenant = await tenantWith('1');
        const batch = await claimed(tenant);
        expect(await recordBatch(database, batch, generation, [])).toMatchObject({
          recorded: new Set(),
          outdated: new Set(),
          lost: new Set(),
        });
        expect(await queueOf(database, tenant)).toHaveLength(1);
      });
    });

    describe('giving a batch back', () => {
      test('frees its rows at once, and the attempt does not count', async () => {
        const tenant = await tenantWith('1');
        expect(
          await releaseBatch(database, await claimed(tenant), { written: false, reason: 'test' }),
        ).toEqual([]);
        expect(await queueOf(database, tenant)).toEqual([
          expect.objectContaining({ attempts: 0, leased: false, unconfirmed: false, version: 1 }),
        ]);
        expect((await claimed(tenant)).rows).toEqual([
          expect.objectContaining({ attempts: 1, unconfirmed: false }),
        ]);
      });

      test('says that points may have been written', async () => {
        const tenant = await tenantWith('1');
        await releaseBatch(database, await claimed(tenant), { written: true, reason: 'test' });
        expect((await claimed(tenant)).rows).toEqual([expect.objectContaining({ unconfirmed: true })]);
      });

      test('does not vouch for what an earlier worker did', async () => {
        const tenant = await tenantWith('1');
        await releaseBatch(database, await claimed(tenant), { written: true, reason: 'test' });
        await releaseBatch(database, await claimed(tenant), { written: false, reason: 'test' });
        expect((await claimed(tenant)).rows).toEqual([expect.objectContaining({ unconfirmed: true })]);
      });

      test('leaves rows alone that another worker has taken over', async () => {
        const tenant = await tenantWith('1', '2');
        const first = await claimed(tenant);
        await expireLeases(tenant);
        const second = await claimed(tenant, { limit: 1 });
        expect(await releaseBatch(database, first, { written: false, reason: 'test' })).toEqual(['1']);
        expect(await queueOf(database, tenant)).toEqual([
          expect.objectContaining({ key: '1', leased: true, attempts: 2 }),
          expect.objectContaining({ key: '2', leased: false, attempts: 0 }),
        ]);
        expect((await recordBatch(database, second, generation, allStored(second))).recorded.size).toBe(1);
      });
    });

    describe('renewing a lease', () => {
      test('extends it, in the database and for whoever holds it', async () => {
        const tenant = await tenantWith('1', '2');
        const batch = await claimed(tenant, { leaseMs: 1_000 });
        const before = batch.leaseValidUntil;
        expect(await renewLease(database, batch, { leaseMs: 60_000 })).toBe(true);
        expect(batch.leaseValidUntil).toBeGreaterThan(before + 50_000);
        const { leaseEndsInMs } = await readBacklog(database, tenant, 'items');
        expect(leaseEndsInMs).toBeGreaterThan(50_000);
        expect(leaseEndsInMs).toBeLessThanOrEqual(60_000);
      });

      test('works for one that has run out and that nobody took', async () => {
        const tenant = await tenantWith('1');
        const batch = await claimed(tenant);
        await expireLeases(tenant);
        expect(await renewLease(database, batch, { leaseMs: 60_000 })).toBe(true);
        expect(await claim(tenant)).toBeNull();
      });

      test('fails when one of its rows belongs to another worker, whose lease stays as it is', async () => {
        const tenant = await tenantWith('1', '2');
        const first = await claimed(tenant);
        await expireLeases(tenant);
        await claimed(tenant, { limit: 1, leaseMs: 5_000 });
        const before = first.leaseValidUntil;
        expect(await renewLease(database, first, { leaseMs: 600_000 })).toBe(false);
        expect(first.leaseValidUntil).toBe(before);
        expect((await readBacklog(database, tenant, 'items')).leaseEndsInMs).toBeLessThanOrEqual(5_000);
      });
    });

    test('rows that were written too late are queued again, whoever has them now', async () => {
      const tenant = await tenantWith('1', '2');
      const first = await claimed(tenant);
      await expireLeases(tenant);
      const second = await claimed(tenant);
      await recordBatch(database, { ...second, rows: second.rows.slice(0, 1) }, generation, [
        storedResult('1', 1),
      ]);
      await requeueRows(database, tenant, 'items', keysOf(first) ?? []);
      expect(await queueOf(database, tenant)).toEqual([
        expect.objectContaining({
          key: '1',
          operation: 'upsert',
          version: 1,
          leased: false,
          unconfirmed: true,
        }),
        expect.objectContaining({ key: '2', version: 2, leased: true, unconfirmed: true }),
      ]);
      const late = await recordBatch(database, { ...second, rows: second.rows.slice(1) }, generation, [
        storedResult('2', 1),
      ]);
      expect(late.outdated).toEqual(new Set(['2']));
    });

    test('rows that rest can be tried again, those of others stay', async () => {
      const tenant = await tenantWith('1', '2');
      const other = await tenantWith('1');
      for (const each of [tenant, other]) {
        const batch = await claimed(each, { limit: 1 });
        await recordBatch(database, batch, generation, [
          { key: '1', version: 1, outcome: 'failed', code: 'bad', reason: 'bad', isFinal: true },
        ]);
      }
      expect(await retryFailedRows(database, tenant, 'items')).toBe(1);
      expect(await queueOf(database, tenant)).toEqual([
        expect.objectContaining({ key: '1', failed: false, attempts: 0, code: null }),
        expect.objectContaining({ key: '2' }),
      ]);
      expect(await queueOf(database, other)).toEqual([expect.objectContaining({ failed: true })]);
      expect(keysOf(await claim(tenant))).toEqual(['1', '2']);
    });

    test('the backlog tells waiting, leased and failed rows apart', async () => {
      const tenant = await tenantWith('1', '2', '3', '4', '5');
      expect(await readBacklog(database, 'nobody', 'items')).toEqual({
        pending: 0,
        failed: 0,
        unrepaired: 0,
        leased: 0,
        leaseEndsInMs: null,
      });
      const batch = await claimed(tenant, { limit: 1 });
      await recordBatch(database, batch, generation, [
        { key: '1', version: 1, outcome: 'failed', code: 'bad', reason: 'bad', isFinal: true },
      ]);
      await claimed(tenant, { limit: 1 });
      await expireLeases(tenant);
      await database.query(
        `update vecpipe.queue set available_at = now() + interval '1 minute' where tenant = $1 and key = '2'`,
        [tenant],
      );
      await claimed(tenant, { limit: 2, leaseMs: 9_000 });
      const backlog = await readBacklog(database, tenant, 'items');
      expect(backlog).toEqual({
        pending: 5,
        failed: 1,
        unrepaired: 1,
        leased: 2,
        leaseEndsInMs: expect.any(Number),
      });
      expect(backlog.leaseEndsInMs).toBeGreaterThan(0);
      expect(backlog.leaseEndsInMs).toBeLessThanOrEqual(9_000);
    });

    describe.skipIf(variant.kind !== 'postgres')('with several processes', () => {
      test('no row is claimed twice, and every row once', async () => {
        const keys = Array.from({ length: 2_000 }, (_, index) => String(index));
        const tenant = await tenantWith(...keys);
        const taken: string[] = [];
        const work = async (on: Queryable) => {
          for (;;) {
            const batch = await claim(tenant, { limit: 37, on });
            if (!batch) break;
            taken.push(...batch.rows.map(({ key }) => key));
          }
        };
        await using second = await migrated.testDatabase.open();
        await Promise.all([database, second, database, second, database, second].map(work));
        // A claim skips what another is claiming at that moment, and so may end before the queue is empty.
        await work(database);
        expect(taken).toHaveLength(2_000);
        expect(new Set(taken).size).toBe(2_000);
      });

      test('a change that is committed while its row is being recorded is not overlooked', async () => {
        const tenant = await tenantWith('1', '2');
        const batch = await claimed(tenant);
        let recording: ReturnType<typeof recordBatch> | undefined;
        await database.transaction(async (tx) => {
          await enqueue(tenant, ['1'], '02', tx);
          recording = recordBatch(database, batch, generation, allStored(batch));
          await untilBlocked(tx);
        });
        expect(await recording).toMatchObject({
          recorded: new Set(['2']),
          outdated: new Set(['1']),
          lost: new Set(),
        });
        expect(await queueOf(database, tenant)).toEqual([
          expect.objectContaining({ key: '1', version: 2, leased: false }),
        ]);
      });

      test('writers of the same rows do not end in a deadlock', async () => {
        // In the heap the rows lie in another order than that of their keys.
        const keys = Array.from({ length: 300 }, (_, index) => String(999 - index));
        const tenant = uniqueName('tenant');
        for (let start = 0; start < keys.length; start += 30)
          await enqueue(tenant, keys.slice(start, start + 30));
        await using other = await migrated.testDatabase.open();
        const batch = await claimed(tenant, { limit: 300 });
        const rounds = Array.from({ length: 25 }, (_, round) => round);
        const repeat = async (work: (round: number) => Promise<unknown>) => {
          for (const round of rounds) await work(round);
        };
        await Promise.all([
          repeat((round) => enqueue(tenant, keys.toSorted(), `0${(round % 9) + 1}`, other)),
          repeat(() => renewLease(database, batch, { leaseMs: 60_000 })),
          repeat(() => requeueRows(other, tenant, 'items', keys)),
          repeat(async () => {
            const again = await claim(tenant, { on: other });
            if (again) await releaseBatch(other, again, { written: true, reason: 'test' });
          }),
          repeat(() => retryFailedRows(other, tenant, 'items')),
        ]);
      });
    });

    /** Until some statement of this database waits for a lock. */
    async function untilBlocked(on: Queryable): Promise<void> {
      for (;;) {
        const { rows } = await on.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        if (rows.length > 0) return;
      }
    }
  });
}
