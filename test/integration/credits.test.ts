import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkLedger } from '../../src/credits/check-ledger.ts';
import type { Mismatch } from '../../src/credits/check-ledger.ts';
import { grantCredits, planGrant } from '../../src/credits/grant-credits.ts';
import type { GrantRequest } from '../../src/credits/grant-credits.ts';
import { readAccounts } from '../../src/credits/read-accounts.ts';
import { readDueCharges } from '../../src/credits/read-due-charges.ts';
import { readLedger } from '../../src/credits/read-ledger.ts';
import { reserveCredits } from '../../src/credits/reserve-credits.ts';
import { findAbandonedReservations, settleReservations } from '../../src/credits/settle-reservations.ts';
import type { Database, Queryable } from '../../src/ports/database.ts';
import { recordRunEnd, recordRunStart } from '../../src/runs/record-run.ts';
import { useMigrated } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { Gate } from '../helpers/gate.ts';
import { uniqueName } from '../helpers/pipeline.ts';

for (const variant of availableDatabases()) describeCredits(variant);

function describeCredits(variant: DatabaseVariant): void {
  const hasSeveralConnections = variant.kind === 'postgres';

  describe(`credits on ${variant.name}`, () => {
    let database: Database;
    useMigrated(variant, (opened) => {
      database = opened.database;
    });

    function grant(tenant: string, amount: number, changes: Partial<GrantRequest> = {}) {
      return grantCredits(database, { tenants: [tenant], amount, reason: null, key: null, ...changes });
    }

    async function tenantWith(credits: number): Promise<string> {
      const tenant = uniqueName('tenant');
      await grant(tenant, credits);
      return tenant;
    }

    async function accountOf(tenant: string) {
      const [account] = await readAccounts(database, [tenant]);
      return account ?? null;
    }

    async function entriesOf(tenant: string) {
      const { rows } = await database.query<{ kind: string; account: string; amount: number }>(
        'select kind, account, amount from vecpipe.credit_entries where tenant = $1 order by id',
        [tenant],
      );
      return rows;
    }

    async function startRun(): Promise<string> {
      const id = randomUUID();
      await recordRunStart(database, { id, command: 'vectorize', tenants: [], entities: [] });
      return id;
    }

    interface Reserved {
      tenant: string;
      credits?: number;
      runId?: string;
      expired?: boolean;
    }

    async function reserve({ tenant, credits = 30, runId, expired = false }: Reserved): Promise<string> {
      const id = randomUUID();
      const request = { id, tenant, entity: 'items', credits, rows: 3, leaseMs: 60_000 };
      const shortage = await reserveCredits(database, { ...request, runId: runId ?? (await startRun()) });
      expect(shortage).toBeNull();
      if (expired) await expire(id);
      return id;
    }

    async function expire(id: string): Promise<void> {
      await database.query(
        `update vecpipe.credit_reservations set expires_at = now() - interval '1 ms' where id = $1::uuid`,
        [id],
      );
    }

    async function mismatchesOf(tenant: string): Promise<Mismatch[]> {
      const { mismatches, mismatchCount } = await checkLedger(database, [tenant]);
      expect(mismatchCount).toBe(mismatches.length);
      return mismatches;
    }

    /** Forged ones would be in the way of whoever settles all tenants. */
    async function forgetReservations(tenant: string): Promise<void> {
      await database.query('delete from vecpipe.credit_reservations where tenant = $1', [tenant]);
    }

    /** Waits until so many statements wait for a lock. */
    async function lockWaiters(count: number): Promise<void> {
      await expect
        .poll(async () => {
          const { rows } = await database.query<{ waiting: number }>(
            `select count(*) as waiting from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`,
          );
          return rows[0]?.waiting;
        })
        .toBe(count);
    }

    /** A transaction of its own that holds what `work` locks until the gate is opened. */
    async function holding(work: (tx: Queryable) => Promise<unknown>) {
      const gate = new Gate();
      const ended = database.transaction(async (tx) => {
        await work(tx);
        await gate.pass();
      });
      await Promise.race([gate.waiting(), ended]);
      return async () => {
        gate.open();
        await ended;
      };
    }

    const lockAccount = (tenant: string) => (tx: Queryable) =>
      tx.query('select from vecpipe.credit_accounts where tenant = $1 for update', [tenant]);

    describe('a grant', () => {
      test('opens an account and is entered twice, once for where it comes from', async () => {
        const tenant = uniqueName('tenant');
        expect(await accountOf(tenant)).toBeNull();
        expect(await grant(tenant, 500, { reason: 'a start' })).toEqual([
          { tenant, amount: 500, available: 500, opensAccount: true, isRepeat: false },
        ]);
        expect(await grant(tenant, 20)).toEqual([
          { tenant, amount: 20, available: 520, opensAccount: false, isRepeat: false },
        ]);
        expect(await accountOf(tenant)).toEqual({
          tenant,
          granted: 520,
          available: 520,
          reserved: 0,
          spent: 0,
        });
        expect(await entriesOf(tenant)).toEqual([
          { kind: 'grant', account: 'granted', amount: -500 },
          { kind: 'grant', account: 'available', amount: 500 },
          { kind: 'grant', account: 'granted', amount: -20 },
          { kind: 'grant', account: 'available', amount: 20 },
        ]);
        expect(await mismatchesOf(tenant)).toEqual([]);
      });

      test('takes back no more than is available, and nothing where there is no account', async () => {
        const tenant = await tenantWith(100);
        await reserve({ tenant, credits: 60 });
        await expect(grant(tenant, -41)).rejects.toMatchObject({
          family: 'usage',
          code: 'credits_not_available',
          message: `tenant ${tenant} has 40 credits available, which is less than the 41 to be taken back`,
        });
        expect(await grant(tenant, -40)).toMatchObject([{ amount: -40, available: 0 }]);
        expect(await accountOf(tenant)).toMatchObject({ granted: 60, available: 0, reserved: 60 });
        const stranger = uniqueName('tenant');
        await expect(grant(stranger, -1)).rejects.toMatchObject({ code: 'credits_not_available' });
        expect(await accountOf(stranger)).toBeNull();
      });

      test('under one key is entered once', async () => {
        const tenant = uniqueName('tenant');
        const key = 'invoice 1';
        await grant(tenant, 50, { key });
        expect(await grant(tenant, 50, { key })).toEqual([
          { tenant, amount: 50, available: 50, opensAccount: false, isRepeat: true },
        ]);
        await expect(grant(tenant, 51, { key })).rejects.toMatchObject({
          family: 'usage',
          code: 'credits_key_taken',
          message: `the key invoice 1 of tenant ${tenant} stands for 50 credits granted, not for 51 credits granted`,
        });
        await expect(grant(tenant, -50, { key })).rejects.toMatchObject({ code: 'credits_key_taken' });
        expect(await accountOf(tenant)).toMatchObject({ granted: 50, available: 50 });
        const other = uniqueName('tenant');
        expect(await grant(other, 7, { key })).toMatchObject([{ isRepeat: false, available: 7 }]);
      });

      test('goes to all of its tenants or to none', async () => {
        const [first, second] = [uniqueName('tenant'), uniqueName('tenant')];
        await grant(second, 1, { key: 'k' });
        const tenants = [second, first];
        await expect(grant(first, 5, { tenants, key: 'k' })).rejects.toMatchObject({
          code: 'credits_key_taken',
        });
        expect(await accountOf(first)).toBeNull();
        expect(await grant(first, 1, { tenants, key: 'k' })).toMatchObject([
          { tenant: second, isRepeat: true, available: 1 },
          { tenant: first, isRepeat: false, available: 1 },
        ]);
        expect(await accountOf(second)).toMatchObject({ available: 1 });
      });

      test('is refused where sums could not be told exactly any more', async () => {
        const tenant = await tenantWith(1);
        await expect(grant(tenant, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
          code: 'credits_too_many',
        });
        await grant(tenant, Number.MAX_SAFE_INTEGER - 1);
        expect(await accountOf(tenant)).toMatchObject({ available: Number.MAX_SAFE_INTEGER });
        expect(await mismatchesOf(tenant)).toEqual([]);
      });

      test('that is only planned says the same and enters nothing', async () => {
        const tenant = uniqueName('tenant');
        const request = { tenants: [tenant], amount: 9, reason: null, key: 'k' };
        const planned = await planGrant(database, request);
        expect(await accountOf(tenant)).toBeNull();
        expect(await grantCredits(database, request)).toEqual(planned);
        expect(await planGrant(database, request)).toMatchObject([{ isRepeat: true }]);
        await expect(planGrant(database, { ...request, amount: 8 })).rejects.toMatchObject({
          code: 'credits_key_taken',
        });
      });

      test('is never lost among many at once, nor entered twice under one key', async () => {
        const tenants = [uniqueName('tenant'), uniqueName('tenant')];
        const amounts = Array.from({ length: 24 }, (_none, index) => index + 1);
        const grants = await Promise.all(
          amounts.flatMap((amount, index) => [
            // Both orders, so that two could wait for each other if the order were the one given.
            grant('', amount, { tenants: index % 2 === 0 ? tenants : tenants.toReversed() }),
            grant('', 1000, { tenants, key: 'once' }),
          ]),
        );
        const sum = 1000 + amounts.reduce((total, amount) => total + amount, 0);
        for (const tenant of tenants) {
          expect(await accountOf(tenant)).toMatchObject({ granted: sum, available: sum });
          expect(await mismatchesOf(tenant)).toEqual([]);
        }
        const once = grants.flat().filter(({ amount, isRepeat }) => amount === 1000 && !isRepeat);
        expect(once).toHaveLength(tenants.length);
        expect(grants.flat().filter(({ opensAccount }) => opensAccount)).toHaveLength(tenants.length);
      });
    });

    describe('the log', () => {
      const insert = (lines: string) =>
        `insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount) values ${lines}`;
      const id = '7d2c2a3e-1111-4222-8333-444455556666';

      test.each([
        [
          'an update',
          'update vecpipe.credit_entries set amount = amount + 1',
          /refuse_entry_changes\(\) raised/,
        ],
        [
          'an update of nothing',
          'update vecpipe.credit_entries set reason = null where false',
          /refuse_entry_changes\(\) raised/,
        ],
        ['a delete', 'delete from vecpipe.credit_entries', /refuse_entry_changes\(\) raised/],
        ['a truncate', 'truncate vecpipe.credit_entries', /refuse_entry_changes\(\) raised/],
        [
          'half a transfer',
          insert(`('x', '${id}', 'grant', 'available', 5)`),
          /refuse_unbalanced_entries\(\) raised/,
        ],
        [
          'two halves in two tenants',
          insert(`('x', '${id}', 'grant', 'available', 5), ('y', '${id}', 'grant', 'granted', -5)`),
          /refuse_unbalanced_entries\(\) raised/,
        ],
        [
          'two transfers that only cancel each other',
          insert(`('x', '${id}', 'grant', 'available', 5), ('x', gen_random_uuid(), 'grant', 'granted', -5)`),
          /refuse_unbalanced_entries\(\) raised/,
        ],
        [
          'an entry of nothing',
          insert(`('x', '${id}', 'grant', 'available', 0)`),
          /violates check constraint/,
        ],
        [
          'a balance that the others do not make up for',
          `update vecpipe.credit_accounts set available = available + 1`,
          /violates check constraint/,
        ],
      ])('takes %s from nobody', async (_what, sql, message) => {
        const tenant = await tenantWith(10);
        const before = await entriesOf(tenant);
        await expect(database.query(sql)).rejects.toThrow(message);
        expect(await entriesOf(tenant)).toEqual(before);
        expect(before).toHaveLength(2);
        expect(await entriesOf('x')).toEqual([]);
      });

      test('is told a line a transfer, the newest first, for its tenants and entities only', async () => {
        const tenant = uniqueName('tenant');
        await grant(tenant, 100, { reason: 'a start', key: 'k' });
        await tenantWith(1);
        const reservationId = await reserve({ tenant, credits: 30, expired: true });
        await settleReservations(database, tenant);
        const all = await readLedger(database, { tenants: [tenant], entities: null, limit: 9 });
        const batch = {
          time: expect.any(Date) as Date,
          tenant,
          reservationId,
          runId: expect.any(String) as string,
          entity: 'items',
          key: null,
          granted: 0,
          spent: 0,
        };
        expect(all).toEqual([
          {
            ...batch,
            id: expect.any(String) as string,
            kind: 'release',
            available: 30,
            reserved: -30,
            reason: 'expired',
          },
          {
            ...batch,
            id: expect.any(String) as string,
            kind: 'reserve',
            available: -30,
            reserved: 30,
            reason: null,
          },
          {
            id: expect.any(String) as string,
            time: expect.any(Date) as Date,
            tenant,
            kind: 'grant',
            granted: -100,
            available: 100,
            reserved: 0,
            spent: 0,
            reservationId: null,
            runId: null,
            entity: null,
            key: 'k',
            reason: 'a start',
          },
        ]);
        const read = (entities: string[] | null, limit: number) =>
          readLedger(database, { tenants: [tenant], entities, limit });
        expect(await read(null, 2)).toEqual(all.slice(0, 2));
        expect(await read(['items'], 9)).toEqual(all.slice(0, 2));
        expect(await read(['others'], 9)).toEqual([]);
      });

      test('is told whole where the entries of many transfers stand mixed', async () => {
        const tenant = await tenantWith(1000);
        const runId = await startRun();
        for (let count = 0; count < 20; count += 1) {
          await reserve({ tenant, credits: count + 1, runId, expired: true });
        }
        const { rows } = await database.query<{ id: string }>(
          'select id::text from vecpipe.credit_reservations where tenant = $1',
          [tenant],
        );
        // As another statement could write them: first what all of them lose, then what they gain.
        await database.query(
          `insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount, reservation_id)
          select $1, reservation_id, 'charge', account, amount, reservation_id
          from unnest($2::text[]::uuid[]) as r(reservation_id)
          cross join (values ('reserved', -1), ('spent', 1)) as line(account, amount) order by account, 1`,
          [tenant, rows.map((row) => row.id)],
        );
        const transfers = await readLedger(database, { tenants: [tenant], entities: null, limit: 5 });
        expect(transfers.map(({ kind, reserved, spent }) => [kind, reserved, spent])).toEqual(
          Array.from({ length: 5 }, () => ['charge', -1, 1]),
        );
      });
    });

    describe('the check', () => {
      test('counts what it has looked at', async () => {
        const tenant = await tenantWith(100);
        await reserve({ tenant });
        expect(await checkLedger(database, [tenant, uniqueName('tenant')])).toEqual({
          accounts: 1,
          entries: 4,
          openReservations: 1,
          mismatchCount: 0,
          mismatches: [],
        });
      });

      test('finds a forged balance, and whose it is', async () => {
        const [honest, forged] = [await tenantWith(100), await tenantWith(100)];
        await database.query(
          'update vecpipe.credit_accounts set available = available + 50, granted = granted - 50 where tenant = $1',
          [forged],
        );
        expect(await mismatchesOf(honest)).toEqual([]);
        expect((await checkLedger(database, [honest, forged])).mismatches).toEqual([
          { tenant: forged, what: 'balance', which: 'available', expected: 100, found: 150 },
          { tenant: forged, what: 'balance', which: 'granted', expected: -100, found: -150 },
        ]);
      });

      test('finds entries that no balance knows of', async () => {
        const tenant = await tenantWith(100);
        const stranger = uniqueName('tenant');
        for (const each of [tenant, stranger]) {
          await database.query(
            `insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount)
            select $1, $2::uuid, 'grant', account, amount from (values ('granted', -7), ('available', 7)) as l(account, amount)`,
            [each, randomUUID()],
          );
        }
        expect(await mismatchesOf(tenant)).toEqual([
          { tenant, what: 'balance', which: 'available', expected: 107, found: 100 },
          { tenant, what: 'balance', which: 'granted', expected: -107, found: -100 },
        ]);
        expect(await mismatchesOf(stranger)).toContainEqual({
          tenant: stranger,
          what: 'balance',
          which: 'available',
          expected: 7,
          found: null,
        });
      });

      test('finds a transfer that does not sum to zero, which only who removes the guard can write', async () => {
        const tenant = await tenantWith(100);
        const id = randomUUID();
        await database.transaction(async (tx) => {
          await tx.execute('alter table vecpipe.credit_entries disable trigger credit_entries_balanced');
          await tx.query(
            `insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount)
            values ($1, $2::uuid, 'grant', 'available', 5)`,
            [tenant, id],
          );
          await tx.execute('alter table vecpipe.credit_entries enable trigger credit_entries_balanced');
        });
        expect(await mismatchesOf(tenant)).toEqual([
          { tenant, what: 'balance', which: 'available', expected: 105, found: 100 },
          { tenant, what: 'entries', which: null, expected: 0, found: 5 },
          { tenant, what: 'transfer', which: id, expected: 0, found: 5 },
        ]);
      });

      test('finds reservations that are gone, changed or made up', async () => {
        const tenant = await tenantWith(100);
        onTestFinished(() => forgetReservations(tenant));
        const [gone, changed] = [await reserve({ tenant }), await reserve({ tenant })];
        const madeUp = randomUUID();
        await database.query('delete from vecpipe.credit_reservations where id = $1::uuid', [gone]);
        await database.query('update vecpipe.credit_reservations set credits = 31 where id = $1::uuid', [
          changed,
        ]);
        await database.query(
          `insert into vecpipe.credit_reservations (id, tenant, entity, run_id, credits, rows, expires_at)
          values ($1::uuid, $2, 'items', $1::uuid, 4, 1, now())`,
          [madeUp, tenant],
        );
        const mismatches = await mismatchesOf(tenant);
        expect(mismatches).toHaveLength(4);
        expect(mismatches).toEqual(
          expect.arrayContaining([
            { tenant, what: 'reserved', which: null, expected: 35, found: 60 },
            { tenant, what: 'reservation', which: gone, expected: 0, found: 30 },
            { tenant, what: 'reservation', which: changed, expected: 31, found: 30 },
            { tenant, what: 'reservation', which: madeUp, expected: 4, found: null },
          ]),
        );
      });

      test('lists the first hundred and counts them all', async () => {
        const tenant = await tenantWith(1000);
        onTestFinished(() => forgetReservations(tenant));
        await database.query(
          `insert into vecpipe.credit_reservations (id, tenant, entity, run_id, credits, rows, expires_at)
          select gen_random_uuid(), $1, 'items', gen_random_uuid(), 1, 1, now() from generate_series(1, 120)`,
          [tenant],
        );
        const check = await checkLedger(database, [tenant]);
        expect(check.mismatches).toHaveLength(100);
        expect(check.mismatchCount).toBe(121);
      });

      test.skipIf(!hasSeveralConnections)('sees one moment, whatever is entered meanwhile', async () => {
        const tenant = await tenantWith(1_000_000);
        const runId = await startRun();
        let isOver = false;
        const worker = async () => {
          while (!isOver) {
            await reserve({ tenant, credits: 3, runId, expired: true });
            await settleReservations(database, tenant);
          }
        };
        const workers = [worker(), worker(), worker()];
        try {
          for (let count = 0; count < 40; count += 1) expect(await mismatchesOf(tenant)).toEqual([]);
        } finally {
          isOver = true;
          await Promise.all(workers);
        }
        expect((await checkLedger(database, [tenant])).entries).toBeGreaterThan(40);
      });
    });

    describe('settling', () => {
      async function reasonsOf(tenant: string) {
        const transfers = await readLedger(database, { tenants: [tenant], entities: null, limit: 99 });
        const released = transfers.filter(({ kind }) => kind === 'release');
        return Object.fromEntries(released.map(({ reservationId, reason }) => [reservationId, reason]));
      }

      test('gives back what has expired and what runs that are over have reserved, and nothing else', async () => {
        const tenant = await tenantWith(1000);
        const other = await tenantWith(1000);
        const [dead, died, ended] = [await startRun(), await startRun(), await startRun()];
        const expired = await reserve({ tenant, credits: 1, expired: true });
        const ofDead = await reserve({ tenant, credits: 10, runId: dead });
        const ofDied = await reserve({ tenant, credits: 100, runId: died, expired: true });
        const ofEnded = await reserve({ tenant, credits: 200, runId: ended });
        await database.query('update vecpipe.runs set finished_at = now() where id = $1::uuid', [died]);
        await recordRunEnd(database, ended, { exitCode: 4, counts: {}, error: 'The database was away.' });
        await reserve({ tenant, credits: 5 });
        await reserve({ tenant: other, credits: 6, expired: true });

        const options = { runIds: [dead] };
        const found = await findAbandonedReservations(database, tenant, options);
        expect(found).toEqual({ reservations: 4, credits: 311 });
        expect(await accountOf(tenant)).toMatchObject({ available: 684, reserved: 316 });
        expect(await settleReservations(database, tenant, options)).toEqual(found);
        expect(await accountOf(tenant)).toMatchObject({ available: 995, reserved: 5, granted: 1000 });
        expect(await reasonsOf(tenant)).toEqual({
          [expired]: 'expired',
          [ofDead]: 'the run died',
          [ofDied]: 'the run died',
          [ofEnded]: 'the run ended',
        });
        expect(await settleReservations(database, tenant, options)).toEqual({ reservations: 0, credits: 0 });
        expect(await mismatchesOf(tenant)).toEqual([]);
        expect(await accountOf(other)).toMatchObject({ reserved: 6 });
      });

      test('of all tenants gives back to each what is its own', async () => {
        const tenants = [await tenantWith(100), await tenantWith(100)];
        for (const tenant of tenants) {
          await reserve({ tenant, credits: 20, expired: true });
          await reserve({ tenant, credits: 3, expired: true });
        }
        const { credits } = await settleReservations(database, null);
        expect(credits).toBeGreaterThanOrEqual(46);
        for (const tenant of tenants) {
          expect(await accountOf(tenant)).toMatchObject({ available: 100, reserved: 0 });
        }
        expect((await checkLedger(database, tenants)).mismatches).toEqual([]);
        expect(await settleReservations(database, null)).toEqual({ reservations: 0, credits: 0 });
      });

      test('gives the limit of a run its credits back, also that of the run that started it', async () => {
        const tenant = await tenantWith(1000);
        const unlimited = uniqueName('tenant');
        const [runId, workerId] = [await startRun(), randomUUID()];
        await database.query('update vecpipe.runs set credits_left = 100 where id = $1::uuid', [runId]);
        await recordRunStart(database, {
          id: workerId,
          parentId: runId,
          command: 'vectorize',
          tenants: [],
          entities: [],
        });
        await reserve({ tenant, credits: 30, runId: workerId, expired: true });
        await reserve({ tenant, credits: 20, runId, expired: true });
        // Without an account, only the limit of the run knows of it.
        await reserve({ tenant: unlimited, credits: 40, runId, expired: true });
        const left = async () => {
          const { rows } = await database.query(
            'select credits_left as "left" from vecpipe.runs where id = $1::uuid',
            [runId],
          );
          return rows[0];
        };
        expect(await left()).toEqual({ left: 10 });
        expect(await settleReservations(database, tenant)).toEqual({ reservations: 2, credits: 50 });
        expect(await left()).toEqual({ left: 60 });
        expect(await settleReservations(database, unlimited)).toEqual({ reservations: 1, credits: 0 });
        expect(await left()).toEqual({ left: 100 });
        expect(await entriesOf(unlimited)).toEqual([]);
        expect((await checkLedger(database, [tenant, unlimited])).mismatches).toEqual([]);
      });

      test('many times at once gives everything back once', async () => {
        const tenant = await tenantWith(1000);
        const runId = await startRun();
        for (let count = 0; count < 30; count += 1) await reserve({ tenant, runId, expired: true });
        const freed = await Promise.all(
          Array.from({ length: 8 }, (_none, index) =>
            settleReservations(database, index % 2 === 0 ? tenant : null),
          ),
        );
        expect(freed.reduce((sum, { credits }) => sum + credits, 0)).toBe(900);
        expect(await accountOf(tenant)).toMatchObject({ available: 1000, reserved: 0 });
        expect(await mismatchesOf(tenant)).toEqual([]);
      });

      test.skipIf(!hasSeveralConnections)(
        'leaves a reservation alone that is renewed while it waits for the account',
        async () => {
          const tenant = await tenantWith(100);
          const id = await reserve({ tenant, expired: true });
          const release = await holding(lockAccount(tenant));
          const settling = settleReservations(database, tenant);
          await lockWaiters(1);
          await database.query(
            `update vecpipe.credit_reservations set expires_at = now() + interval '1 min' where id = $1::uuid`,
            [id],
          );
          await release();
          expect(await settling).toEqual({ reservations: 0, credits: 0 });
          expect(await accountOf(tenant)).toMatchObject({ available: 70, reserved: 30 });
        },
      );

      test.skipIf(!hasSeveralConnections)(
        'leaves a reservation to the batch that is about to settle it, and waits for neither',
        async () => {
          const tenant = await tenantWith(100);
          const id = await reserve({ tenant, expired: true });
          await reserve({ tenant, credits: 2, expired: true });
          const release = await holding((tx) =>
            tx.query('select from vecpipe.credit_reservations where id = $1::uuid for update', [id]),
          );
          try {
            expect(await settleReservations(database, tenant)).toEqual({ reservations: 1, credits: 2 });
            expect(await settleReservations(database, null)).toEqual({ reservations: 0, credits: 0 });
          } finally {
            await release();
          }
          expect(await settleReservations(database, tenant)).toEqual({ reservations: 1, credits: 30 });
        },
      );

      test.skipIf(!hasSeveralConnections)('and granting hold up no other tenant', async () => {
        const [busy, free] = [await tenantWith(100), await tenantWith(100)];
        await reserve({ tenant: busy, credits: 10, expired: true });
        await reserve({ tenant: free, credits: 20, expired: true });
        const release = await holding(lockAccount(busy));
        try {
          await grant(free, 5);
          await reserve({ tenant: free, credits: 7 });
          expect((await checkLedger(database, [busy, free])).mismatches).toEqual([]);
          expect(await settleReservations(database, null)).toEqual({ reservations: 1, credits: 20 });
          expect(await accountOf(free)).toMatchObject({ available: 98, reserved: 7 });
          expect(await readAccounts(database, [busy])).toMatchObject([{ reserved: 10 }]);
        } finally {
          await release();
        }
        expect(await settleReservations(database, null)).toEqual({ reservations: 1, credits: 10 });
      });
    });

    test('what is due is what was bought and not delivered', async () => {
      const [tenant, other] = [uniqueName('tenant'), uniqueName('tenant')];
      const receipt = (owner: string, text: string, micros: number) =>
        database.query(
          `insert into vecpipe.receipts (tenant, vector_space, text_hash, lease_token, vector, due_micros)
          values ($1, 'space', $2, $3::uuid, '', $4)`,
          [owner, text, randomUUID(), micros],
        );
      await receipt(tenant, 'a', 1_500_000);
      await receipt(tenant, 'b', 250_000);
      await receipt(tenant, 'free', 0);
      await receipt(other, 'a', 9_000_000);
      expect(await readDueCharges(database, [tenant, uniqueName('tenant')])).toEqual([
        { tenant, vectors: 2, credits: 1.75 },
      ]);
    });
  });
}
