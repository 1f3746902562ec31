import { randomUUID } from 'node:crypto';
import {
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  record,
} from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkLedger } from '../../src/credits/check-ledger.ts';
import { grantCredits } from '../../src/credits/grant-credits.ts';
import { readAccounts } from '../../src/credits/read-accounts.ts';
import { reserveCredits } from '../../src/credits/reserve-credits.ts';
import { settleReservations } from '../../src/credits/settle-reservations.ts';
import type { Database } from '../../src/ports/database.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import { ON_QUEUED_ALREADY } from '../../src/queue/enqueue-sql.ts';
import { recordBatch } from '../../src/queue/record-batch.ts';
import { releaseBatch } from '../../src/queue/release-batch.ts';
import { renewLease } from '../../src/queue/renew-lease.ts';
import { requeueRows } from '../../src/queue/requeue-rows.ts';
import type { Batch, RowResult } from '../../src/queue/work.ts';
import { ReceiptBook } from '../../src/receipts/receipt-book.ts';
import { openMigrated } from '../helpers/backends.ts';
import type { MigratedDatabase } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { createGeneration, queueOf, uniqueName } from '../helpers/pipeline.ts';

/** The first of a thousand; MODEL_SCHEDULES=1000 runs them all, which takes about a minute on each database. */
const SCHEDULES = Number(process.env['MODEL_SCHEDULES'] ?? 400);

const KEYS = ['a', 'b', 'c', 'd'];
const WORKERS = 3;
const ENTITY = 'items';
const LEASE_MS = 60_000;
/** What one text costs. */
const CREDITS = 3;

/** The steps of a worker, and what happens around it; a schedule is any sequence of them. */
const step = oneof(
  {
    weight: 4,
    arbitrary: record({ what: constant('change' as const), key: constantFrom(...KEYS) }),
  },
  {
    weight: 1,
    arbitrary: record({ what: constant('delete' as const), key: constantFrom(...KEYS) }),
  },
  {
    weight: 14,
    arbitrary: record({
      // The next step of what a worker has begun: claim, reserve, embed, write, record.
      what: constant('advance' as const),
      worker: nat(WORKERS - 1),
      limit: integer({ min: 1, max: 3 }),
      steps: integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: record({ what: constant('release' as const), worker: nat(WORKERS - 1) }) },
  { weight: 2, arbitrary: record({ what: constant('crash' as const), worker: nat(WORKERS - 1) }) },
  { weight: 1, arbitrary: record({ what: constant('renew' as const), worker: nat(WORKERS - 1) }) },
  { weight: 2, arbitrary: record({ what: constant('expire' as const) }) },
  { weight: 1, arbitrary: record({ what: constant('settle' as const) }) },
  {
    weight: 1,
    arbitrary: record({ what: constant('grant' as const), credits: integer({ min: 1, max: 20 }) }),
  },
);
type Step = typeof step extends Arbitrary<infer Value> ? Value : never;

/** A batch in a worker's hands, and how far it is. */
interface Held {
  batch: Batch;
  at: 'claimed' | 'reserved' | 'embedded' | 'written';
  /** What the rows were when they were loaded. */
  loaded: Map<string, { text: string | null; isCharged: boolean }>;
  /** The time of its lease has passed: nothing more may be written. */
  isExpired: boolean;
}

for (const variant of availableDatabases()) describeModel(variant);

function describeModel(variant: DatabaseVariant): void {
  describe(`any schedule on ${variant.name}`, () => {
    let migrated: MigratedDatabase;
    let generation: number;

    beforeAll(async () => {
      migrated = await openMigrated(variant);
      generation = await createGeneration(migrated.database, 'model');
    });
    afterAll(async () => {
      await migrated?.[Symbol.asyncDispose]();
    });

    test('ends with every point current, the queue empty, and each delivered text charged once', async () => {
      await assert(
        asyncProperty(array(step, { maxLength: 24 }), async (steps) => {
          const world = new World(migrated.database, generation);
          await world.begin();
          for (const each of steps) await world.take(each);
          await world.settleDown();
          await world.expectAllWell();
        }),
        // The same schedules every time; a failure prints the seed and the shortest one that fails.
        { seed: 5, numRuns: SCHEDULES },
      );
    }, 600_000);
  });
}

/** Source, store and provider as simple as they can be; queue, receipts and ledger are the real ones. */
class World {
  readonly #database: Database;
  readonly #generation: number;
  readonly #tenant = uniqueName('model');
  readonly #receipts: ReceiptBook;
  /** Number of the row's content, by key. */
  readonly #source = new Map<string, number>();
  readonly #store = new Map<string, string>();
  readonly #held: (Held | null)[] = Array.from({ length: WORKERS }, () => null);
  /** How often each text was bought. */
  readonly #bought = new Map<string, number>();
  /** Texts that were recorded as stored for a row. */
  readonly #delivered = new Set<string>();
  #lastContent = 0;

  constructor(database: Database, generation: number) {
    this.#database = database;
    this.#generation = generation;
    this.#receipts = new ReceiptBook(database, {
      tenant: this.#tenant,
      vectorSpace: 'model',
      dimensions: 1,
      keepBytes: null,
      isCharged: true,
    });
  }

  async begin(): Promise<void> {
    await this.#grant(30);
    for (const key of KEYS.slice(0, 2)) await this.#change(key);
  }

  async take(each: Step): Promise<void> {
    switch (each.what) {
      case 'change':
        return this.#change(each.key);
      case 'delete':
        return this.#delete(each.key);
      case 'advance':
        for (let count = 0; count < each.steps; count += 1) await this.#advance(each.worker, each.limit);
        return;
      case 'release':
        return this.#release(each.worker);
      case 'crash':
        this.#held[each.worker] = null;
        return;
      case 'renew':
        return this.#renew(each.worker);
      case 'expire':
        return this.#expire();
      case 'settle':
        await settleReservations(this.#database, this.#tenant);
        return;
      case 'grant':
        return this.#grant(each.credits);
      default:
        return each satisfies never;
    }
  }

  /** All workers die, and one that has time and credits does what is left. */
  async settleDown(): Promise<void> {
    this.#held.fill(null);
    await this.#expire();
    await settleReservations(this.#database, this.#tenant);
    await this.#grant(1000);
    for (let count = 0; count < 100; count += 1) {
      await this.#advance(0, 3);
      if (this.#held[0] === null && (await queueOf(this.#database, this.#tenant, ENTITY)).length === 0)
        return;
    }
    throw new Error('the queue does not become empty');
  }

  async expectAllWell(): Promise<void> {
    expect(await queueOf(this.#database, this.#tenant, ENTITY)).toEqual([]);
    const current = Object.fromEntries(
      [...this.#source].map(([key, content]) => [key, textOf(key, content)]),
    );
    expect(Object.fromEntries(this.#store)).toEqual(current);
    const { rows: recorded } = await this.#database.query<{ key: string; text: string }>(
      `select key, text_hash as text from vecpipe.vector_state
       where generation_id = $1 and tenant = $2 and entity = $3`,
      [this.#generation, this.#tenant, ENTITY],
    );
    expect(Object.fromEntries(recorded.map(({ key, text }) => [key, text]))).toEqual(current);
    expect(await checkLedger(this.#database, [this.#tenant])).toMatchObject({
      mismatchCount: 0,
      openReservations: 0,
    });
    const [account] = await readAccounts(this.#database, [this.#tenant]);
    expect(account?.spent).toBe(this.#delivered.size * CREDITS);
  }

  async #change(key: string): Promise<void> {
    this.#lastContent += 1;
    this.#source.set(key, this.#lastContent);
    await this.#enqueue(key, 'upsert', this.#lastContent);
  }

  async #delete(key: string): Promise<void> {
    if (!this.#source.delete(key)) return;
    await this.#enqueue(key, 'delete', 0);
  }

  async #enqueue(key: string, operation: 'upsert' | 'delete', content: number): Promise<void> {
    await this.#database.query(
      `insert into vecpipe.queue as q (tenant, entity, key, operation, row_hash)
       values ($1, $2, $3, $4, decode(lpad(to_hex($5::int4), 8, '0'), 'hex')) ${ON_QUEUED_ALREADY}`,
      [this.#tenant, ENTITY, key, operation, content],
    );
  }

  async #advance(worker: number, limit: number): Promise<void> {
    const held = this.#held[worker];
    if (!held) return this.#claim(worker, limit);
    const { batch } = held;
    const texts = [...held.loaded.values()].flatMap(({ text }) => text ?? []);
    switch (held.at) {
      case 'claimed': {
        if (texts.length > 0 && !(await this.#reserve(batch, texts.length))) return this.#release(worker);
        held.at = 'reserved';
        return;
      }
      case 'reserved': {
        await this.#embed(batch, texts);
        held.at = 'embedded';
        return;
      }
      case 'embedded': {
        if (held.isExpired) return this.#release(worker);
        for (const [key, { text }] of held.loaded) {
          if (text === null) this.#store.delete(key);
          else this.#store.set(key, text);
        }
        held.at = 'written';
        return;
      }
      case 'written': {
        this.#held[worker] = null;
        return this.#record(held);
      }
      default:
        return held.at satisfies never;
    }
  }

  async #claim(worker: number, limit: number): Promise<void> {
    const batch = await claimBatch(this.#database, {
      tenant: this.#tenant,
      entity: ENTITY,
      runId: randomUUID(),
      limit,
      leaseMs: LEASE_MS,
    });
    if (batch === null) return;
    const keys = batch.rows.map(({ key }) => key);
    for (const other of this.#held) {
      if (!other || other.isExpired) continue;
      expect(other.batch.rows.map(({ key }) => key).filter((key) => keys.includes(key))).toEqual([]);
    }
    const { rows: recorded } = await this.#database.query<{ key: string; text: string }>(
      `select key, text_hash as text from vecpipe.vector_state
       where generation_id = $1 and tenant = $2 and entity = $3 and key = any ($4::text[])`,
      [this.#generation, this.#tenant, ENTITY, keys],
    );
    const loaded = new Map<string, { text: string | null; isCharged: boolean }>();
    for (const key of keys) {
      const content = this.#source.get(key);
      const text = content === undefined ? null : textOf(key, content);
      loaded.set(key, { text, isCharged: recorded.some((row) => row.key === key && row.text === text) });
    }
    this.#held[worker] = { batch, at: 'claimed', loaded, isExpired: false };
  }

  async #reserve(batch: Batch, texts: number): Promise<boolean> {
    const shortage = await reserveCredits(this.#database, {
      id: batch.leaseToken,
      tenant: this.#tenant,
      entity: ENTITY,
      runId: batch.runId,
      // Estimates lie above what is used.
      credits: texts * (CREDITS + 1),
      rows: batch.rows.length,
      leaseMs: LEASE_MS,
    });
    return shortage === null;
  }

  async #embed(batch: Batch, texts: readonly string[]): Promise<void> {
    const receipts = this.#receipts.forBatch(batch.leaseToken);
    const found = await receipts.find(texts);
    const missing = texts.filter((text) => !found.has(text));
    for (const text of missing) this.#bought.set(text, (this.#bought.get(text) ?? 0) + 1);
    await receipts.keep(
      missing.map((text) => ({ textHash: text, vector: Float32Array.of(1), dueMicros: CREDITS * 1e6 })),
    );
  }

  async #record({ batch, loaded }: Held): Promise<void> {
    const results = batch.rows.map(({ key, version }): RowResult => {
      const text = loaded.get(key)?.text ?? null;
      if (text === null) return { key, version, outcome: 'deleted' };
      const hashes = { rowHash: '00', textHash: text, payloadHash: 'payload' };
      return { key, version, outcome: 'stored', chunks: 1, ...hashes };
    });
    const charged = [...loaded].flatMap(([key, { text, isCharged }]) =>
      text === null || isCharged ? [] : [[key, text] as const],
    );
    const { recorded, lost } = await recordBatch(this.#database, batch, this.#generation, results, {
      receipts: this.#receipts,
      delivery: {
        keys: charged.map(([key]) => key),
        textHashes: charged.map(([, text]) => text),
      },
    });
    for (const key of recorded) {
      const text = loaded.get(key)?.text ?? null;
      if (text !== null) this.#delivered.add(text);
    }
    // It had written for them before it knew.
    if (lost.size > 0) await requeueRows(this.#database, this.#tenant, ENTITY, [...lost]);
  }

  async #release(worker: number): Promise<void> {
    const held = this.#held[worker];
    if (!held) return;
    this.#held[worker] = null;
    const written = held.at === 'written';
    const lost = await releaseBatch(this.#database, held.batch, { written, reason: 'test' });
    if (written && lost.length > 0) await requeueRows(this.#database, this.#tenant, ENTITY, lost);
  }

  async #renew(worker: number): Promise<void> {
    const held = this.#held[worker];
    if (!held) return;
    if (await renewLease(this.#database, held.batch, { leaseMs: LEASE_MS })) held.isExpired = false;
    // As the heartbeat does: nothing more of it is written, and what was is done again by whoever has it now.
    else await this.#release(worker);
  }

  async #expire(): Promise<void> {
    for (const held of this.#held) if (held) held.isExpired = true;
    await this.#database.query(
      `with expired as (
        update vecpipe.queue set lease_until = now() - interval '1 second'
        where tenant = $1 and lease_until is not null
      )
      update vecpipe.credit_reservations set expires_at = now() - interval '1 second' where tenant = $1`,
      [this.#tenant],
    );
  }

  async #grant(amount: number): Promise<void> {
    await grantCredits(this.#database, { tenants: [this.#tenant], amount, reason: null, key: null });
  }
}

/** A text of its own for every content of every row. */
function textOf(key: string, content: number): string {
  return `${key}${content}`;
}
