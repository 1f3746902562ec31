import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Confirmed } from '../../src/verify/finding.ts';
import { noRepairs, repairCollection } from '../../src/verify/repair.ts';
import { SpilledList } from '../../src/verify/spilled-list.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend } from '../helpers/backends.ts';
import { Items } from '../helpers/pipeline.ts';
import type { ItemRow } from '../helpers/pipeline.ts';
import { unitOf, verifyUnit } from '../helpers/verify-ground.ts';
import { injectFaults, mistakes } from '../helpers/verify-faults.ts';

const ROWS = 3_000;
const EACH = 60;

describe.each(availableBackends())('verify on $name', (variant) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await variant.open();
  }, 60_000);
  afterAll(() => backend[Symbol.asyncDispose]());

  it.each([7, 8])(
    `finds ${EACH} faults of each kind in ${ROWS} rows, names each, invents none and repairs all (seed %i)`,
    { timeout: 120_000 },
    async (seed) => {
      const items = await storedItems(`faults${seed}`, ROWS);
      const faults = await injectFaults(await ground(items), EACH, seed);

      await using found = new SpilledList<Confirmed>();
      const unit = unitOf(backend, [items]);
      const report = await verifyUnit(backend, unit, {
        onFound: async (_unit, confirmed) => {
          for (const each of confirmed) await found.push(each);
        },
      });
      expect(mistakes(faults, report.all).slice(0, 10)).toEqual([]);
      expect(report.findings).toBe(faults.length);

      const repairs = noRepairs();
      const options = { deleteAll: false };
      const context = { ...backend, report: () => {} };
      expect(await repairCollection(context, unit, found, repairs, options)).toEqual([]);
      const { error, failures } = await items.run({ queuedOnly: true, batchSize: 256 });
      expect({ error, failures }).toEqual({ error: undefined, failures: [] });
      expect((await verifyUnit(backend, unit)).counts).toEqual([]);
      expect(await items.differences()).toEqual([]);
    },
  );

  async function storedItems(name: string, rows: number): Promise<Items> {
    const list = Array.from({ length: rows }, (_none, number): ItemRow => ({
      id: `row-${number}`,
      name: `name ${number}`,
      body: `body of ${number}`,
      tag: 'a',
    }));
    const collection = `${backend.testStore.name(name)}_{tenant}`;
    const items = await Items.create(backend, list, { collection });
    expect((await items.run({ batchSize: 256 })).error).toBeUndefined();
    return items;
  }

  async function ground(items: Items) {
    const { generation } = await items.target();
    const { physical, fingerprint, dimensions } = generation;
    const keys = (await items.state()).map(({ key }) => key);
    const { database, store } = backend;
    const { tenant, entity } = items;
    return {
      database,
      store,
      physical,
      fingerprint,
      dimensions,
      tenant,
      entity: entity.name,
      table: items.table.sql,
      keys,
    };
  }
});
