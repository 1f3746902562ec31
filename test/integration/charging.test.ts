import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkLedger } from '../../src/credits/check-ledger.ts';
import { grantCredits } from '../../src/credits/grant-credits.ts';
import { limitRun } from '../../src/credits/limit-run.ts';
import { readAccounts } from '../../src/credits/read-accounts.ts';
import { reserveCredits } from '../../src/credits/reserve-credits.ts';
import type { ReservationRequest } from '../../src/credits/reserve-credits.ts';
import { settleReservations } from '../../src/credits/settle-reservations.ts';
import { recordRunStart } from '../../src/runs/record-run.ts';
import { seededRandom } from '../contract/vector-store-points.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend, BackendVariant } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import type { FakeProviderOptions } from '../helpers/fake-provider.ts';
import { Gate } from '../helpers/gate.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items, NEVER, openTarget, runTargets } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';

/** Rows of two tokens each. */
const rows = (count: number, from = 10): ItemRow[] =>
  Array.from({ length: count }, (_, index) => ({ id: String(index + from), name: `name ${index + from}` }));

/** A credit a token. */
function charging(options: FakeProviderOptions = {}): FakeProvider {
  return Object.assign(new FakeProvider(options), { creditsPerMillionTokens: 1_000_000 });
}

for (const variant of availableBackends()) describeCharging(variant);

function describeCharging(variant: BackendVariant): void {
  describe(`charging on ${variant.name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await variant.open();
    });
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
    });

    async function itemsWith(
      credits: number | null,
      given: readonly ItemRow[],
      provider: FakeProvider = charging(),
    ): Promise<Items> {
      const items = await Items.create(
        backend,
        given,
        { collection: backend.testStore.name('charging') },
        provider,
      );
      if (credits !== null) await grant(items, credits);
      return items;
    }

    const grant = ({ tenant }: Items, amount: number) =>
      grantCredits(backend.database, { tenants: [tenant], amount, reason: null, key: null });

    const accountOf = async ({ tenant }: Items) => (await readAccounts(backend.database, [tenant]))[0];

    async function entriesOf({ tenant }: Items) {
      const { rows: entries } = await backend.database.query<{ kind: string; reason: string | null }>(
        `select kind, account, amount, reason from vecpipe.credit_entries
         where tenant = $1 and kind <> 'grant' order by id`,
        [tenant],
      );
      return entries;
    }

    async function expectBalanced({ tenant }: Items): Promise<void> {
      expect(await checkLedger(backend.database, [tenant])).toMatchObject({
        mismatchCount: 0,
        openReservations: 0,
      });
    }

    test('is for what was delivered, and the account agrees with its entries', async () => {
      const items = await itemsWith(100, rows(7));
      const { counts, error } = await items.run({ batchSize: 3 });
      expect(error).toBeUndefined();
      expect(counts).toMatchObject({ stored: 7, tokens: 14, credits: 14 });
      expect(await accountOf(items)).toMatchObject({ granted: 100, available: 86, reserved: 0, spent: 14 });
      await expectBalanced(items);
      // Reserved and charged once a batch, two entries each; nothing was left to free.
      expect((await entriesOf(items)).map(({ kind }) => kind).toSorted()).toEqual([
        ...Array<string>(6).fill('charge'),
        ...Array<string>(6).fill('reserve'),
      ]);
      expect((await items.run()).counts).toMatchObject({ unchanged: 7, credits: 0 });
    });

    test('a tenant without account has no limit and is charged nothing', async () => {
      const items = await itemsWith(null, rows(3));
      expect((await items.run()).counts).toMatchObject({ stored: 3, credits: 0 });
      expect(await entriesOf(items)).toEqual([]);
    });

    test('a provider without a price charges nobody', async () => {
      const items = await itemsWith(1, rows(3), new FakeProvider());
      expect(await items.run()).toMatchObject({ error: undefined, counts: { stored: 3, credits: 0 } });
      expect(await accountOf(items)).toMatchObject({ available: 1, spent: 0 });
    });

    test('parts of a credit add up over a batch before they are rounded', async () => {
      const provider = Object.assign(new FakeProvider(), { creditsPerMillionTokens: 100_000 });
      const items = await itemsWith(10, rows(15), provider);
      expect((await items.run({ batchSize: 100 })).counts.credits).toBe(3);
    });

    test('rows that fail are not charged, what was set aside for them is freed with the reason', async () => {
      const provider = charging();
      provider.refused.set('name 11', { code: 'provider_rejected_text', reason: 'no' });
      const items = await itemsWith(100, rows(5), provider);
      // As a gateway bills: a refused text costs nothing.
      provider.spoil = (result) => ({ ...result, tokens: 8, creditMicros: 8_000_000 });
      const { counts } = await items.run();
      expect(counts).toMatchObject({ stored: 4, failed: 1, credits: 8 });
      expect(await accountOf(items)).toMatchObject({ available: 92, reserved: 0, spent: 8 });
      expect((await entriesOf(items)).filter(({ kind }) => kind === 'release')).toEqual([
        { kind: 'release', account: 'reserved', amount: -2, reason: '1/5 rows failed' },
        { kind: 'release', account: 'available', amount: 2, reason: '1/5 rows failed' },
      ]);
      await expectBalanced(items);
    });

    test('chunks of a row that fails are charged when the row is delivered, and not before', async () => {
      const provider = charging();
      provider.refused.set('bad', { code: 'provider_rejected_text', reason: 'no' });
      const whole = await itemsWith(100, [{ id: '1', name: 'good', body: 'bad' }], provider);
      const collection = backend.testStore.name('chunked');
      const items = whole.with({ chunk: { maxTokens: 1, overlap: 0 }, collection });
      provider.spoil = (result) => ({ ...result, creditMicros: 1_000_000 });
      expect((await items.run()).counts).toMatchObject({ failed: 1, credits: 0 });
      expect(await accountOf(items)).toMatchObject({ available: 100, spent: 0 });
      provider.refused.clear();
      expect((await items.run({ retryFailed: true })).counts).toMatchObject({ stored: 1, credits: 2 });
      expect(provider.texts).toEqual(['good', 'bad', 'bad']);
      await expectBalanced(items);
    });

    test('what was bought by a run that died is charged when the next one delivers it, once', async () => {
      const provider = charging({ maxBatchSize: 3 });
      const items = await itemsWith(100, rows(7), provider);
      let writes = 0;
      const store = intercept(backend.store, {
        before: ({ method }) => {
          if (method !== 'upsert') return;
          writes += 1;
          if (writes >= 2) throw new Error('the process died');
        },
      });
      const first = await items.run({ batchSize: 4, batchesInFlight: 1 }, { store });
      expect(first.error).toBeInstanceOf(Error);
      expect(await accountOf(items)).toMatchObject({ available: 92, reserved: 0, spent: 8 });
      const second = await items.run();
      expect(second.counts).toMatchObject({ stored: 3, reused: 3, tokens: 0, credits: 6 });
      expect(await accountOf(items)).toMatchObject({ available: 86, reserved: 0, spent: 14 });
      expect(provider.texts).toHaveLength(7);
      await expectBalanced(items);
    });

    test('what a tokenizer took for less than it was is charged in full, even below zero', async () => {
      const provider = charging();
      provider.spoil = (result) => ({ ...result, tokens: 10, creditMicros: 10_000_000 });
      const items = await itemsWith(7, rows(3), provider);
      expect((await items.run()).counts).toMatchObject({ stored: 3, credits: 10 });
      expect(await accountOf(items)).toMatchObject({ available: -3, reserved: 0, spent: 10 });
      await expectBalanced(items);
      await items.table.put({ id: '50', name: 'one more' });
      expect((await items.run()).error).toMatchObject({ family: 'credits', code: 'out_of_credits' });
    });

    test('a text that many rows share is charged once', async () => {
      const given = rows(20).map((row) => ({ ...row, name: 'the same' }));
      const items = await itemsWith(100, given);
      expect((await items.run({ batchSize: 4 })).counts).toMatchObject({ stored: 20, credits: 2 });
      await expectBalanced(items);
    });

    describe('a tenant whose credits do not reach', () => {
      test('has the rows done that they reach for, and the others stay queued as they were', async () => {
        const items = await itemsWith(7, rows(5));
        const { error, counts } = await items.run({ batchesInFlight: 1 });
        expect(error).toMatchObject({
          family: 'credits',
          code: 'out_of_credits',
          message: `tenant ${items.tenant} has 1 credits left, and the next row of items may cost 2`,
        });
        expect(counts).toMatchObject({ stored: 3, pending: 2, failed: 0, credits: 6 });
        expect(items.provider.texts).toHaveLength(3);
        expect(await items.queue()).toMatchObject(
          ['13', '14'].map((key) => ({ key, attempts: 0, leased: false, unconfirmed: false })),
        );
        await expectBalanced(items);
        await grant(items, 3);
        expect(await items.run()).toMatchObject({ error: undefined, counts: { stored: 2, credits: 4 } });
        expect(await items.differences()).toEqual([]);
      });

      test('spends nothing when they do not reach for a single row', async () => {
        const items = await itemsWith(1, rows(3));
        expect((await items.run()).error).toMatchObject({ code: 'out_of_credits' });
        expect(items.provider.calls).toEqual([]);
        expect(await accountOf(items)).toMatchObject({ available: 1, reserved: 0, spent: 0 });
        expect((await items.queue()).filter(({ leased }) => leased)).toEqual([]);
      });

      test('has its deleted rows deleted, wherever they stand in the queue', async () => {
        const items = await itemsWith(12, rows(6));
        await items.run();
        await items.table.put(...rows(4, 50));
        await items.table.remove('10', '11');
        const { error, counts } = await items.run({ deleteAll: true, batchSize: 2 });
        expect(error).toMatchObject({ code: 'out_of_credits' });
        expect(counts).toMatchObject({ deleted: 2, embedded: 0, pending: 4 });
        expect((await items.points()).map(({ key }) => key)).toEqual(['12', '13', '14', '15']);
      });

      test('leaves rows alone that need none: payloads are updated, deleted rows go', async () => {
        const items = await itemsWith(6, rows(3));
        await items.run();
        await items.table.set('10', 'tag', 'new');
        await items.table.remove('11');
        expect(await items.run({ deleteAll: true })).toMatchObject({
          error: undefined,
          counts: { payloadOnly: 1, deleted: 1 },
        });
      });

      test('does not keep another tenant of the same run from being done', async () => {
        const poor = await itemsWith(1, rows(4));
        const rich = await itemsWith(100, rows(4));
        const targets = [await poor.target(), await rich.target()];
        const { error } = await runTargets(backend, targets);
        expect(error).toMatchObject({ code: 'out_of_credits' });
        expect(targets[1]?.counts).toMatchObject({ stored: 4, credits: 8 });
        expect(await rich.differences()).toEqual([]);
        expect(await poor.queue()).toHaveLength(4);
      });

      test('waits for what batches under way may give back instead of giving up', async () => {
        const provider = charging();
        // Uses half of what is reserved for it.
        provider.spoil = (result) => ({
          ...result,
          tokens: result.tokens / 2,
          creditMicros: result.tokens * 500_000,
        });
        const gate = new Gate();
        provider.before = () => (provider.calls.length === 1 ? gate.pass() : undefined);
        const items = await itemsWith(12, rows(8), provider);
        let refused = 0;
        const database = intercept(backend.database, {
          after: ({ args }) => {
            if (!String(args[0]).includes('insert into vecpipe.credit_reservations')) return;
            refused += 1;
            // The first is under way, and the second has been refused.
            if (refused === 2) gate.open();
          },
        });
        const running = items.run({ batchSize: 4, batchesInFlight: 2 }, { database });
        expect(await running).toMatchObject({ error: undefined, counts: { stored: 8, credits: 8 } });
        await expectBalanced(items);
      });
    });

    test('an account below zero buys nothing at all', async () => {
      const items = await itemsWith(7, rows(3));
      items.provider.spoil = (result) => ({ ...result, tokens: 10, creditMicros: 10_000_000 });
      await items.run();
      await items.table.put(...rows(10, 50));
      expect((await items.run({ batchSize: 5 })).error).toMatchObject({ code: 'out_of_credits' });
      expect(items.provider.texts).toHaveLength(3);
      expect(await accountOf(items)).toMatchObject({ available: -3, spent: 10 });
    });

    test('a tenant that waits for credits holds no place of another, and a stop ends the wait', async () => {
      const waiting = await itemsWith(10, rows(12));
      // Another machine's batch holds all of them.
      await reserveCredits(backend.database, {
        id: randomUUID(),
        tenant: waiting.tenant,
        entity: 'items',
        runId: randomUUID(),
        credits: 10,
        rows: 5,
        leaseMs: 60_000,
      });
      const other = await itemsWith(100, rows(12));
      const stop = new AbortController();
      const targets = [await waiting.target(), await other.target()];
      const isDone = async () => (await other.state()).length === 12;
      const running = runTargets(backend, targets, { batchSize: 2, batchesInFlight: 2, stop: stop.signal });
      while (!(await isDone()));
      stop.abort(new Error('stop'));
      await running;
      expect(waiting.provider.calls).toEqual([]);
      expect(await waiting.queue()).toHaveLength(12);
      expect((await waiting.queue()).filter(({ leased }) => leased)).toEqual([]);
    });

    describe('a limit of the run', () => {
      async function limitedRun(items: Items, credits: number) {
        const runId = randomUUID();
        const { database } = backend;
        await recordRunStart(database, { id: runId, command: 'test', tenants: [items.tenant], entities: [] });
        await limitRun(database, runId, credits);
        const { entity, tenant, provider } = items;
        const target = await openTarget(backend, entity, tenant, provider, () => {}, { chargesAnyone: true });
        return { target, outcome: await runTargets(backend, [target], { runId, batchSize: 2 }) };
      }

      test.each([null, 100])(
        'holds for a tenant with %s credits, and the next run goes on',
        async (granted) => {
          const items = await itemsWith(granted, rows(5));
          const { outcome, target } = await limitedRun(items, 5);
          expect(outcome.error).toMatchObject({ family: 'credits', code: 'max_credits_reached' });
          expect(target.counts).toMatchObject({ stored: 2, credits: 4, pending: 3 });
          expect((await limitedRun(items, 6)).outcome.error).toBeUndefined();
          expect(await items.differences()).toEqual([]);
          if (granted !== null) await expectBalanced(items);
        },
      );
    });

    describe('a reservation', () => {
      const request = ({ tenant }: Items, changes: Partial<ReservationRequest> = {}): ReservationRequest => ({
        id: randomUUID(),
        tenant,
        entity: 'items',
        runId: randomUUID(),
        credits: 10,
        rows: 3,
        leaseMs: 60_000,
        ...changes,
      });

      test('is made once, however often it is asked for, and never with another amount', async () => {
        const items = await itemsWith(100, []);
        const asked = request(items);
        expect(await reserveCredits(backend.database, asked)).toBeNull();
        expect(await reserveCredits(backend.database, asked)).toBeNull();
        expect(await accountOf(items)).toMatchObject({ available: 90, reserved: 10 });
        await expect(reserveCredits(backend.database, { ...asked, credits: 11 })).rejects.toThrow(
          'has reserved 10 credits before, and now asks for 11',
        );
      });

      test('of many at once never goes beyond the account', async () => {
        const items = await itemsWith(55, []);
        const asked = Array.from({ length: 12 }, () => reserveCredits(backend.database, request(items)));
        const shortages = (await Promise.all(asked)).filter((shortage) => shortage !== null);
        expect(shortages).toHaveLength(7);
        expect(await accountOf(items)).toMatchObject({ available: 5, reserved: 50 });
        expect(await checkLedger(backend.database, [items.tenant])).toMatchObject({ mismatchCount: 0 });
      });

      test('that expired before its batch was recorded is charged from what is available', async () => {
        const provider = charging();
        const gate = new Gate();
        provider.before = () => gate.pass();
        const items = await itemsWith(10, rows(3), provider);
        const running = items.run({ stop: NEVER });
        await gate.waiting();
        await backend.database.query(
          `update vecpipe.credit_reservations set expires_at = now() - interval '1 second' where tenant = $1`,
          [items.tenant],
        );
        expect(await settleReservations(backend.database, items.tenant)).toEqual({
          reservations: 1,
          credits: 6,
        });
        gate.open();
        expect(await running).toMatchObject({ error: undefined, counts: { stored: 3, credits: 6 } });
        expect(await accountOf(items)).toMatchObject({ available: 4, reserved: 0, spent: 6 });
        await expectBalanced(items);
      });
    });

    test('holds no transaction, snapshot or lock while texts are embedded or points are written', async (ctx) => {
      if (backend.database.exclusive) ctx.skip('one process alone has no others to hold up');
      const held: unknown[] = [];
      const look = async () => {
        const { rows: sessions } = await backend.database.query(
          `select state, backend_xmin, (select count(*) from pg_locks l where l.pid = a.pid) as locks
           from pg_stat_activity a where datname = current_database() and pid <> pg_backend_pid()
             and (backend_xmin is not null or backend_xid is not null or state like 'idle in transaction%')`,
        );
        held.push(...sessions);
      };
      const provider = charging();
      provider.before = look;
      const items = await itemsWith(1000, rows(20), provider);
      let writes = 0;
      const store = intercept(backend.store, {
        before: async ({ method }) => {
          if (method !== 'upsert') return;
          writes += 1;
          await look();
        },
      });
      // One batch at a time: whatever is open now belongs to the one that is embedded or written.
      await items.run({ batchSize: 5, batchesInFlight: 1 }, { store });
      expect([provider.calls.length, writes, held]).toEqual([4, 4, []]);
    });

    test('agrees with what was delivered after deaths at every step', async () => {
      const random = seededRandom(5);
      const provider = charging({ maxBatchSize: 2 });
      const items = await itemsWith(10_000, rows(24), provider);
      for (let death = 0; death < 12; death += 1) {
        let left = Math.floor(random() * 9);
        const dying = (name: string) => {
          left -= 1;
          if (left < 0) throw new Error(`died at ${name}`);
        };
        const database = intercept(backend.database, {
          // Before or after it was done: both happen.
          [random() < 0.5 ? 'before' : 'after']: ({ args }: { args: readonly unknown[] }) => {
            if (/receipts|credit_reservations|vector_state/.test(String(args[0]))) dying('the database');
          },
        });
        const store = intercept(backend.store, {
          before: ({ method }) => (method === 'upsert' ? dying('the store') : undefined),
        });
        await items.run({ batchSize: 5 }, { database, store });
        await items.expireLeases();
        await items.table.put({ id: '10', name: `changed ${death}` });
      }
      expect(await items.run()).toMatchObject({ error: undefined });
      expect(await items.differences()).toEqual([]);
      await backend.database.query(
        `update vecpipe.credit_reservations set expires_at = now() - interval '1 second' where tenant = $1`,
        [items.tenant],
      );
      await settleReservations(backend.database, items.tenant);
      await expectBalanced(items);
      const bought = new Set(provider.texts);
      const account = await accountOf(items);
      expect(account?.spent).toBeLessThanOrEqual(bought.size * 2);
      expect(account?.spent).toBeGreaterThanOrEqual(24 * 2);
    });
  });
}
