import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprintSettings } from '../../src/pipeline/fingerprint.ts';
import { pointId } from '../../src/pipeline/point-id.ts';
import type { Payload } from '../../src/ports/vector-store.ts';
import type { Confirmed } from '../../src/verify/finding.ts';
import { noRepairs, repairCollection } from '../../src/verify/repair.ts';
import { SpilledList } from '../../src/verify/spilled-list.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend } from '../helpers/backends.ts';
import { fakeVector } from '../helpers/fake-provider.ts';
import { Gate } from '../helpers/gate.ts';
import { intercept } from '../helpers/intercept.ts';
import { Items } from '../helpers/pipeline.ts';
import type { ItemRow, PipelineContext } from '../helpers/pipeline.ts';
import { testQdrantUrl } from '../helpers/stores.ts';
import { pointsTable, stripIdentity } from '../helpers/verify-faults.ts';
import { unitOf, verifyUnit } from '../helpers/verify-ground.ts';

const RANDOM_ID = 'a0000000-0000-4000-8000-000000000001';

function rows(count: number): ItemRow[] {
  return Array.from({ length: count }, (_none, number) => ({ id: `k${number}`, name: `name ${number}` }));
}

describe.each(availableBackends())('verify on $name', (variant) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await variant.open();
  }, 60_000);
  afterAll(() => backend[Symbol.asyncDispose]());

  let lastNumber = 0;
  /** Items that are stored, in a collection of their own. */
  async function stored(list: readonly ItemRow[], changes: Partial<Items['entity']> = {}): Promise<Items> {
    lastNumber += 1;
    const collection = `${backend.testStore.name(`v${lastNumber}`)}_{tenant}`;
    const items = await Items.create(backend, list, { collection, ...changes });
    expect((await items.run()).error).toBeUndefined();
    return items;
  }
  const idOf = (items: Items, key: string, chunk = 0) => pointId(items.tenant, 'items', key, chunk);
  const physicalOf = async (items: Items) => (await items.target()).generation.physical;
  const spoil = async (items: Items, key: string, changes: Partial<Payload['vecpipe']>) => {
    const physical = await physicalOf(items);
    const points = await backend.store.retrieve(physical, [idOf(items, key)]);
    const spoiled = points.map(({ id, payload }) => ({
      id,
      payload: { ...payload, vecpipe: { ...payload.vecpipe, ...changes } },
    }));
    await backend.store.setPayload(physical, spoiled);
  };

  it('finds nothing where all is well, with chunks, rows without text and failed rows', async () => {
    const items = await stored(
      [
        ...rows(30),
        { id: 'empty' },
        { id: 'long', name: 'a b c d e f g h i j' },
        { id: 'NUL', name: 'x', tag: '' },
      ],
      { chunk: { maxTokens: 3, overlap: 0 } },
    );
    const result = await verifyUnit(backend, unitOf(backend, [items]), { withVectors: true });
    expect(result.names).toEqual([]);
    expect(result.collections).toMatchObject([{ generation: 1, queuedRows: 0 }]);
    expect(result.collections[0]?.points).toBe(result.collections[0]?.recordedPoints);
    expect((await verifyUnit(backend, unitOf(backend, [items]), { isFast: true })).names).toEqual([]);
  });

  it('knows rows that were never stored, also without any generation', async () => {
    const collection = backend.testStore.name('never');
    const items = await Items.create(backend, rows(2), { collection });
    const result = await verifyUnit(backend, unitOf(backend, [items]));
    expect(result.names).toEqual(['missing k0', 'missing k1']);
    expect(result.collections).toMatchObject([{ generation: null, points: 0 }]);
  });

  it('takes queued rows for work, not for drift', async () => {
    const items = await stored(rows(3));
    await items.table.set('k0', 'name', 'another');
    await items.table.remove('k1');
    await backend.store.deletePoints(await physicalOf(items), [idOf(items, 'k0'), idOf(items, 'k2')]);
    expect((await verifyUnit(backend, unitOf(backend, [items]))).names).toEqual([
      'missing k0#0',
      'missing k2#0',
      'orphan k1',
      'stale k0',
    ]);
    await backend.database.query(
      `insert into vecpipe.queue (tenant, entity, key, operation) select $1, 'items', key, 'upsert'
       from unnest(array['k0', 'k1', 'k2']) as key`,
      [items.tenant],
    );
    const result = await verifyUnit(backend, unitOf(backend, [items]));
    expect(result.names).toEqual([]);
    expect(result.collections).toMatchObject([{ queuedRows: 3, failedRows: 0 }]);
  });

  it('counts the work of a generation that is being built for nothing', async () => {
    const items = await stored(rows(2));
    await items.table.set('k0', 'name', 'another');
    await backend.database.query(
      `insert into vecpipe.queue (tenant, entity, key, operation, building) values ($1, 'items', 'k0', 'upsert', 77)`,
      [items.tenant],
    );
    expect((await verifyUnit(backend, unitOf(backend, [items]))).names).toEqual(['stale k0']);
  });

  it('compares by ids alone when it has to be fast, and then finds what ids tell', async () => {
    const items = await stored(rows(200));
    const physical = await physicalOf(items);
    await backend.store.deletePoints(physical, [idOf(items, 'k0')]);
    await spoil(items, 'k1', { hash: 'other' });
    await backend.store.upsert(physical, [pointOf(items, 'k2', RANDOM_ID)]);
    const unit = unitOf(backend, [items]);
    expect((await verifyUnit(backend, unit, { isFast: true })).names).toEqual([
      'duplicate_chunk k2#0',
      'missing k0#0',
    ]);
    expect((await verifyUnit(backend, unit)).names).toEqual([
      'duplicate_chunk k2#0',
      'missing k0#0',
      'stale k1#0',
    ]);
  });

  it('looks at vectors when asked to', async () => {
    const items = await stored(rows(3));
    const { physical, fingerprint } = (await items.target()).generation;
    if (backend.store.kind === 'pgvector') {
      const table = await pointsTable(backend.database, physical);
      const zeros = `[${Array.from({ length: 8 }, () => 0).join(',')}]`;
      await backend.database.query(`update ${table} set embedding = '${zeros}' where key = 'k1'`);
    } else {
      const point = pointOf(items, 'k1', idOf(items, 'k1'));
      const { textHash } = (await items.state())[1] ?? { textHash: '' };
      const payload = {
        ...point.payload,
        vecpipe: { ...point.payload.vecpipe, hash: textHash, fingerprint },
      };
      await backend.store.upsert(physical, [{ ...point, payload, vector: new Float32Array(8) }]);
    }
    const unit = unitOf(backend, [items]);
    expect((await verifyUnit(backend, unit)).names).toEqual([]);
    expect((await verifyUnit(backend, unit, { withVectors: true })).names).toEqual(['zero_vector k1#0']);
  });

  it('embeds a sample anew and names vectors of another text', async () => {
    const items = await stored(rows(20));
    const { physical, fingerprint } = (await items.target()).generation;
    const { textHash } = (await items.state()).find(({ key }) => key === 'k3') ?? { textHash: '' };
    const point = pointOf(items, 'k3', idOf(items, 'k3'));
    const payload = { ...point.payload, vecpipe: { ...point.payload.vecpipe, hash: textHash, fingerprint } };
    await backend.store.upsert(physical, [{ ...point, payload, vector: fakeVector('quite another text') }]);
    const providerOf = async () => ({
      provider: items.provider,
      settings: fingerprintSettings(items.entity, items.provider),
    });
    const result = await verifyUnit(backend, unitOf(backend, [items]), { sample: 20, providerOf });
    expect(result.names).toEqual(['vector_differs k3#0']);
    expect(result.collections[0]).toMatchObject({ sampled: 20, changedSettings: [] });
    expect(result.collections[0]?.tokens).toBeGreaterThan(0);
  });

  it('tells that the config has another template, and still compares with the one in use', async () => {
    const items = await stored(rows(3).map((row) => ({ ...row, note: 'n' })));
    const changed = items.with({ text: '{{ name }} {{ note }}' });
    const settings = fingerprintSettings(changed.entity, items.provider);
    const providerOf = async () => ({ provider: items.provider, settings });
    const result = await verifyUnit(backend, unitOf(backend, [changed]), { providerOf });
    expect(result.names).toEqual([]);
    expect(result.collections[0]?.changedSettings).toEqual(['template']);
  });

  describe('a collection that tenants share', () => {
    async function sharing(): Promise<[Items, Items]> {
      lastNumber += 1;
      const collection = backend.testStore.name(`shared${lastNumber}`);
      const one = await Items.create(backend, rows(5), { collection });
      const other = await Items.create(backend, rows(5), { collection });
      for (const items of [one, other]) expect((await items.run()).error).toBeUndefined();
      return [one, other];
    }

    it('never calls the points of tenants that were not selected drift', async () => {
      const [one, other] = await sharing();
      await backend.store.deletePoints(await physicalOf(other), [idOf(other, 'k0')]);
      for (const isWhole of [true, false]) {
        expect((await verifyUnit(backend, unitOf(backend, [one], isWhole))).names).toEqual([]);
      }
      expect((await verifyUnit(backend, unitOf(backend, [one, other]))).names).toEqual(['missing k0#0']);
    });

    it("names a point that says that it is the other tenant's, whoever is selected", async () => {
      const [one, other] = await sharing();
      await spoil(one, 'k1', { tenant: other.tenant });
      for (const isWhole of [true, false]) {
        const result = await verifyUnit(backend, unitOf(backend, [one], isWhole));
        expect(result.names).toEqual(['wrong_tenant k1#0']);
        expect(result.all[0]).toMatchObject({ tenant: one.tenant });
        expect((await verifyUnit(backend, unitOf(backend, [other], isWhole))).names).toEqual([]);
      }
      expect((await verifyUnit(backend, unitOf(backend, [one, other]))).names).toEqual(['wrong_tenant k1#0']);
    });

    it('queues nothing for a tenant whom nobody can work for', async () => {
      const [one, other] = await sharing();
      const physical = await physicalOf(one);
      await backend.store.deletePoints(physical, [idOf(one, 'k0'), idOf(other, 'k0')]);
      await using found = new SpilledList<Confirmed>();
      const { names } = await verifyUnit(backend, unitOf(backend, [one, other]), {
        onFound: async (_unit, confirmed) => {
          for (const each of confirmed) await found.push(each);
        },
      });
      expect(names).toEqual(['missing k0#0', 'missing k0#0']);
      const repairs = noRepairs();
      const unit = unitOf(backend, [one]);
      await repairCollection({ ...backend, report: () => {} }, unit, found, repairs, { deleteAll: false });
      expect(repairs.requeuedRows).toBe(1);
      const { rows: queued } = await backend.database.query<{ tenant: string }>(
        'select tenant from vecpipe.queue where tenant = any ($1::text[])',
        [[one.tenant, other.tenant]],
      );
      expect(queued).toEqual([{ tenant: one.tenant }]);
    });

    it('sees strays of nobody only when all tenants are selected', async () => {
      const [one, other] = await sharing();
      const physical = await physicalOf(one);
      await backend.store.upsert(physical, [pointOf(one, 'x', RANDOM_ID)]);
      await stripIdentity({ ...backend, physical }, [RANDOM_ID]);
      expect((await verifyUnit(backend, unitOf(backend, [one, other]))).names).toEqual(['orphan -']);
    });
  });

  /** One verification, then the repair of what it found. */
  async function repairOf(items: Items, context: PipelineContext = backend) {
    const unit = unitOf(context, [items]);
    await using found = new SpilledList<Confirmed>();
    const onFound = async (_unit: unknown, confirmed: readonly Confirmed[]) => {
      for (const each of confirmed) await found.push(each);
    };
    const { all } = await verifyUnit(context, unit, { onFound });
    const repairs = noRepairs();
    await repairCollection({ ...context, report: () => {} }, unit, found, repairs, { deleteAll: false });
    return { found: all.map(({ kind, detail }) => [kind, detail]), repairs };
  }
  async function verifyConfirmed(items: Items): Promise<Confirmed[]> {
    const all: Confirmed[] = [];
    const onFound = async (_unit: unknown, confirmed: readonly Confirmed[]) => void all.push(...confirmed);
    await verifyUnit(backend, unitOf(backend, [items]), { onFound });
    return all;
  }
  const aliasOf = (items: Items) => items.entity.collection.replace('{tenant}', items.tenant);
  /** A generation that is recorded as dropped. */
  const recordDropped = (items: Items, number: number) =>
    backend.database.query(
      `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
      select store, collection, $3, fingerprint, settings, dimensions, 'dropped'
      from vecpipe.generations where store = $1 and collection = $2 and generation = 1`,
      [backend.store.location, aliasOf(items), number],
    );

  it('sets an alias that leads elsewhere, and deletes what this database has built and dropped', async () => {
    const items = await stored(rows(2));
    const collection = aliasOf(items);
    const leftover = `${collection}__8`;
    await recordDropped(items, 8);
    await backend.store.createCollection(leftover, 8);
    await backend.store.createCollection(`${collection}__9`, 8);
    await backend.store.setAlias(collection, `${collection}__9`);
    expect(await repairOf(items)).toMatchObject({
      found: [
        ['leftover_generation', leftover],
        ['leftover_generation', `${collection}__9`],
        ['alias_elsewhere', `${collection}__9`],
      ],
      repairs: { deletedCollections: [leftover], aliases: [collection], left: 1 },
    });
    expect(await backend.store.resolveAlias(collection)).toBe(`${collection}__1`);
    expect(await backend.store.describeCollection(leftover)).toBeNull();
    // Nothing says that this database built it, so it may be what another one lives on.
    expect(await backend.store.describeCollection(`${collection}__9`)).not.toBeNull();
    await backend.store.deleteCollection(`${collection}__9`);
    expect(await repairOf(items)).toMatchObject({ found: [] });
  });

  it('deletes no generation that an alias leads to, whatever is recorded of it', async () => {
    const items = await stored(rows(2));
    const dropped = `${aliasOf(items)}__7`;
    await recordDropped(items, 7);
    await backend.store.createCollection(dropped, 8);
    const alias = backend.testStore.name('readers');
    await backend.store.setAlias(alias, dropped);
    expect(await repairOf(items)).toMatchObject({
      found: [['leftover_generation', dropped]],
      repairs: { deletedCollections: [], left: 1 },
    });
    expect(await backend.store.resolveAlias(alias)).toBe(dropped);
  });

  it('takes no collection for a generation that holds something else', async () => {
    const items = await stored(rows(2));
    const physical = `${aliasOf(items)}__2024`;
    await backend.store.createCollection(physical, 8);
    await backend.store.upsert(physical, [pointOf(items, 'x', RANDOM_ID)]);
    expect((await repairOf(items)).found).toEqual([['leftover_generation', physical]]);
    await stripIdentity({ ...backend, physical }, [RANDOM_ID]);
    expect((await repairOf(items)).found).toEqual([]);
    expect(await backend.store.describeCollection(physical)).not.toBeNull();
  });

  it('says nothing of a generation that is dropped, or begun again, while it looks', async () => {
    const items = await stored(rows(2));
    const collection = aliasOf(items);
    for (const end of ['dropped', 'begun'] as const) {
      const physical = `${collection}__5`;
      await backend.store.createCollection(physical, 8);
      let hasEnded = false;
      const store = intercept(backend.store, {
        after: async ({ method }) => {
          // Between the names in the store and the record of them; or when it was not recorded and still there.
          if (hasEnded || method !== (end === 'dropped' ? 'listAliases' : 'describeCollection')) return;
          hasEnded = true;
          if (end === 'dropped') await backend.store.deleteCollection(physical);
          await backend.database.query(
            `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
            select store, collection, 5, fingerprint, settings, dimensions, $3
            from vecpipe.generations where store = $1 and collection = $2 and generation = 1
            on conflict (store, collection, generation) do update set status = excluded.status`,
            [backend.store.location, collection, end === 'dropped' ? 'dropped' : 'building'],
          );
        },
      });
      expect((await verifyUnit({ ...backend, store }, unitOf(backend, [items]))).names).toEqual([]);
      expect(hasEnded).toBe(true);
    }
  });

  it('finds every point missing where the store has lost the collection', async () => {
    const items = await stored(rows(2));
    await backend.store.deleteCollection(await physicalOf(items));
    expect((await verifyUnit(backend, unitOf(backend, [items]))).names).toEqual([
      'alias_missing -',
      'missing k0#0',
      'missing k1#0',
    ]);
    // Opening the collection to work makes it anew, alias and all; the alias is not left to a person.
    const [about] = (await verifyConfirmed(items)).filter(({ finding }) => finding.kind === 'alias_missing');
    expect(about).toMatchObject({ repair: 'set_alias' });
  });

  describe('while others write', () => {
    it('says nothing of a row that was stored anew between the two sides', async () => {
      const items = await stored(rows(3));
      let hasRun = false;
      const store = intercept(backend.store, {
        // The record was read with the old hash; the point is read with the new one.
        before: async ({ method }) => {
          if (method !== 'retrieve' || hasRun) return;
          hasRun = true;
          await items.table.set('k0', 'name', 'changed back');
          expect((await items.run()).error).toBeUndefined();
        },
      });
      await spoil(items, 'k0', { hash: 'other' });
      // The row is changed and stored while its fault is looked at again: by then it is right.
      expect((await verifyUnit({ ...backend, store }, unitOf(backend, [items]))).names).toEqual([]);
      expect(hasRun).toBe(true);
    });

    it('says nothing of a row that was recorded anew after its point was read', async () => {
      const items = await stored(rows(3));
      await backend.store.deletePoints(await physicalOf(items), [idOf(items, 'k1')]);
      const store = intercept(backend.store, {
        after: async ({ method }) => {
          if (method !== 'retrieve') return;
          await backend.database.query(
            `update vecpipe.vector_state set stored_at = now() where tenant = $1 and key = 'k1'`,
            [items.tenant],
          );
        },
      });
      expect((await verifyUnit({ ...backend, store }, unitOf(backend, [items]))).names).toEqual([]);
      expect((await verifyUnit(backend, unitOf(backend, [items]))).names).toEqual(['missing k1#0']);
    });

    it('says nothing of a row that was queued after its point was read', async () => {
      const items = await stored(rows(3));
      await backend.store.deletePoints(await physicalOf(items), [idOf(items, 'k1')]);
      const store = intercept(backend.store, {
        after: async ({ method }) => {
          if (method !== 'retrieve') return;
          await backend.database.query(
            `insert into vecpipe.queue (tenant, entity, key, operation) values ($1, 'items', 'k1', 'upsert')`,
            [items.tenant],
          );
        },
      });
      expect((await verifyUnit({ ...backend, store }, unitOf(backend, [items]))).names).toEqual([]);
    });

    it('says nothing of a row that was brought in order, or changed once more, during the pass', async () => {
      const items = await stored(rows(3));
      await items.table.set('k0', 'name', 'one');
      await items.table.set('k1', 'name', 'one');
      const gate = new Gate();
      const store = intercept(backend.store, {
        before: ({ method }) => (method === 'scroll' ? gate.pass() : undefined),
      });
      let compared: () => void = () => {};
      const hasCompared = new Promise<void>((resolve) => (compared = resolve));
      const database = intercept(backend.database, {
        after: ({ method }) => (method === 'transaction' ? compared() : undefined),
      });
      const verifying = verifyUnit({ database, store }, unitOf(backend, [items]));
      await gate.waiting();
      await hasCompared;
      expect((await items.run()).error).toBeUndefined();
      await items.table.set('k1', 'name', 'two');
      gate.open();
      expect((await verifying).names).toEqual([]);
      expect((await verifyUnit(backend, unitOf(backend, [items]))).names).toEqual(['stale k1']);
    });

    it('begins anew when another generation becomes live, and counts nothing of the first pass', async () => {
      const items = await stored(rows(3));
      const { id, physical } = (await items.target()).generation;
      await backend.store.deletePoints(physical, [idOf(items, 'k1')]);
      let passes = 0;
      const store = intercept(backend.store, {
        after: async ({ method }) => {
          if (method !== 'listAliases') return;
          passes += 1;
        },
        before: async ({ method }) => {
          if (method !== 'retrieve' || passes !== 1) return;
          await backend.database.query(`update vecpipe.generations set status = 'retired' where id = $1`, [
            id,
          ]);
          await backend.database.query(
            `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
             select store, collection, 2, fingerprint, settings, dimensions, 'live' from vecpipe.generations where id = $1`,
            [id],
          );
        },
      });
      const result = await verifyUnit({ ...backend, store }, unitOf(backend, [items]));
      expect(passes).toBe(2);
      expect(result.collections).toMatchObject([{ generation: 2 }]);
      expect(result.names).toEqual(['alias_elsewhere -', 'missing k0', 'missing k1', 'missing k2']);
    });

    it(
      'reports no drift while rows are synced and vectorized all the time',
      { timeout: 60_000 },
      async () => {
        const items = await stored(rows(400));
        const stop = new AbortController();
        let written = 0;
        const writer = (async () => {
          for (let round = 0; !stop.signal.aborted; round += 1) {
            // Row and queue in one transaction, as `sync` and the triggers do it.
            await backend.database.transaction(async (tx) => {
              const changed = `update ${items.table.sql} set name = 'round ${round} ' || id where id like $1 returning id`;
              await tx.query(
                `with changed as (${changed})
               insert into vecpipe.queue as q (tenant, entity, key, operation)
               select $2, 'items', id, 'upsert' from changed order by id
               on conflict (tenant, entity, building, key) do update set version = q.version + 1`,
                [`%${round % 10}`, items.tenant],
              );
            });
            expect((await items.run({ queuedOnly: true })).error).toBeUndefined();
            written += 1;
          }
        })();
        try {
          for (let pass = 0; pass < 5; pass += 1) {
            expect((await verifyUnit(backend, unitOf(backend, [items]))).names).toEqual([]);
            expect((await verifyUnit(backend, unitOf(backend, [items]), { isFast: true })).names).toEqual([]);
          }
        } finally {
          stop.abort();
          await writer;
        }
        expect(written).toBeGreaterThan(0);
      },
    );
  });

  it('stops when asked to, and leaves nothing under way', async () => {
    const items = await stored(rows(3));
    const stop = new AbortController();
    const gate = new Gate();
    const store = intercept(backend.store, {
      before: ({ method, args }) =>
        method === 'scroll' ? gate.pass({ signal: (args[1] as { signal: AbortSignal }).signal }) : undefined,
    });
    const verifying = verifyUnit({ ...backend, store }, unitOf(backend, [items]), { signal: stop.signal });
    await gate.waiting();
    stop.abort(new Error('enough'));
    await expect(verifying).rejects.toThrow('enough');
  });

  // pgvector has no such ids.
  if (variant.name.endsWith('qdrant')) {
    it("takes a point for nobody's that names what no row of Postgres can be called", async () => {
      const items = await stored(rows(3));
      const physical = await physicalOf(items);
      const named = (key: string, chunk: number, id: string) => {
        const point = pointOf(items, key, id);
        return { ...point, payload: { vecpipe: { ...point.payload.vecpipe, chunk } } };
      };
      await backend.store.upsert(physical, [
        named('a\0b', 0, RANDOM_ID),
        named('k1', 0.5, RANDOM_ID.replace('1', '2')),
        named('k1', -1, RANDOM_ID.replace('1', '3')),
      ]);
      const { found, repairs } = await repairOf(items);
      expect(found).toEqual([
        ['orphan', null],
        ['orphan', null],
        ['orphan', null],
      ]);
      expect(repairs.deletedPoints).toBe(3);
      expect((await repairOf(items)).found).toEqual([]);
    });

    it('finds points with numbers as ids', async () => {
      const items = await stored(rows(3));
      const physical = await physicalOf(items);
      const response = await fetch(new URL(`/collections/${physical}/points?wait=true`, testQdrantUrl), {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          points: [{ id: 7, vector: Array.from({ length: 8 }, () => 1), payload: {} }],
        }),
      });
      expect(response.ok).toBe(true);
      const unit = unitOf(backend, [items]);
      await using found = new SpilledList<Confirmed>();
      const result = await verifyUnit(backend, unit, {
        isFast: true,
        onFound: async (_unit, confirmed) => {
          for (const each of confirmed) await found.push(each);
        },
      });
      expect(result.all).toMatchObject([{ kind: 'orphan', pointId: '7', tenant: null }]);
      const repairs = noRepairs();
      await repairCollection({ ...backend, report: () => {} }, unit, found, repairs, { deleteAll: false });
      expect(repairs.deletedPoints).toBe(1);
      expect((await verifyUnit(backend, unit)).names).toEqual([]);
    });
  }
});

function pointOf(items: Items, key: string, id: string) {
  const vecpipe = {
    tenant: items.tenant,
    entity: 'items',
    key,
    chunk: 0,
    label: key,
    hash: 'x',
    fingerprint: 'x',
  };
  return { id, vector: fakeVector(key), payload: { vecpipe } as Payload };
}
