import { describe, expect, test } from 'vitest';
import { READY_MADE_ENTITIES } from '../../src/entities/ready-made.ts';
import { noCounts } from '../../src/pipeline/counts.ts';
import { syncRecords } from '../../src/pipeline/sync-records.ts';
import type { RecordTarget, SyncRecordsOptions } from '../../src/pipeline/sync-records.ts';
import type { Database } from '../../src/ports/database.ts';
import type { RunEvent } from '../../src/ports/run-events.ts';
import type { RecordFile, RecordItem } from '../../src/sources/files/record-item.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { useMigrated } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { intercept } from '../helpers/intercept.ts';
import { queueOf, uniqueName } from '../helpers/pipeline.ts';

const FILE: RecordFile = { kind: 'file', name: 'wits.ndjson', path: '/nowhere/wits.ndjson' };

for (const variant of availableDatabases()) describeSync(variant);

function describeSync(variant: DatabaseVariant): void {
  describe(`records of a file on ${variant.name}`, () => {
    let database: Database;
    useMigrated(variant, (opened) => {
      database = opened.database;
    });

    async function sync(
      tenants: readonly string[],
      values: readonly (Record<string, unknown> | Error)[],
      changes: Partial<SyncRecordsOptions> = {},
      on: Database = database,
    ) {
      const entity = READY_MADE_ENTITIES.find(({ name }) => name === 'wits');
      if (!entity) throw new Error('there is no entity wits');
      const targets = new Map<string, RecordTarget>();
      for (const tenant of tenants) {
        const source = await openRowSource(database, entity, tenant);
        targets.set(tenant, { tenant, source, counts: noCounts() });
      }
      async function* items(): AsyncGenerator<RecordItem> {
        for (const [index, value] of values.entries()) {
          const line = index + 1;
          if (value instanceof Error)
            yield { kind: 'bad', line, code: 'invalid_json', reason: value.message };
          else yield { kind: 'record', line, value };
        }
      }
      const events: RunEvent[] = [];
      const options = {
        dryRun: false,
        batchSize: 100,
        limit: null,
        report: (event: RunEvent) => void events.push(event),
        ...changes,
      };
      const outcome = await syncRecords(on, FILE, items(), targets, options);
      return { ...outcome, events, counts: [...targets.values()].map((target) => target.counts) };
    }

    const names = async (tenant: string) => {
      const { rows } = await database.query<{ id: string; name: string }>(
        'select id, name from vecpipe.wits where tenant = $1 order by id',
        [tenant],
      );
      return rows.map(({ id, name }) => `${id}=${name}`);
    };

    test('are written, counted and queued; bad ones are set aside with their line', async () => {
      const tenant = uniqueName('tenant');
      const { refused, failures, counts, events } = await sync(
        [tenant],
        [{ id: 1, name: 'a' }, new Error('is not JSON'), { id: 2 }, { id: 3, name: 'c', extra: true }],
      );
      expect(await names(tenant)).toEqual(['1=a', '3=c']);
      expect(counts).toEqual([{ ...noCounts(), inserted: 2, queued: 2, failed: 2 }]);
      expect(refused).toBe(2);
      expect(failures).toEqual([
        { tenant, entity: 'wits', key: 'wits.ndjson:2', code: 'invalid_json', message: 'is not JSON' },
        { tenant, entity: 'wits', key: 'wits.ndjson:3', code: 'record_invalid', message: 'name: required' },
      ]);
      expect(events.map(({ type }) => type)).toEqual(['row_failed', 'row_failed']);
      expect((await queueOf(database, tenant, 'wits')).map(({ key }) => key)).toEqual(['1', '3']);
    });

    test('with an id that comes again: the later one wins', async () => {
      const tenant = uniqueName('tenant');
      const { counts } = await sync(
        [tenant],
        [
          { id: 1, name: 'first' },
          { id: 2, name: 'x' },
          { id: '1', name: 'last' },
        ],
      );
      expect(await names(tenant)).toEqual(['1=last', '2=x']);
      expect(counts).toMatchObject([{ inserted: 2, updated: 1 }]);
    });

    test('go to the tenant that they name, which must be one of the run', async () => {
      const [a, b] = [uniqueName('tenant'), uniqueName('tenant')];
      const { failures } = await sync(
        [a, b],
        [
          { id: 1, name: 'of a', tenant_id: a },
          { id: 1, name: 'of b', tenant_id: b },
          { id: 2, name: 'of none' },
          { id: 3, name: 'of c', tenant_id: 'c' },
        ],
      );
      expect([await names(a), await names(b)]).toEqual([['1=of a'], ['1=of b']]);
      expect(failures.map(({ key, code }) => [key, code])).toEqual([
        ['wits.ndjson:3', 'tenant_missing'],
        ['wits.ndjson:4', 'tenant_mismatch'],
      ]);
    });

    test('are written batch by batch, each in one transaction', async () => {
      const tenant = uniqueName('tenant');
      let transactions = 0;
      const counting = intercept(database, {
        before: ({ method }) => {
          if (method === 'transaction') transactions += 1;
        },
      });
      const values = Array.from({ length: 10 }, (_, index) => ({ id: index, name: `n${index}` }));
      await sync([tenant], values, { batchSize: 4 }, counting);
      expect(transactions).toBe(3);
      expect(await names(tenant)).toHaveLength(10);
    });

    test('stay as they were when a later batch fails, up to that one', async () => {
      const tenant = uniqueName('tenant');
      const failure = new Error('connection lost');
      let transactions = 0;
      const failing = intercept(database, {
        before: ({ method }) => {
          if (method !== 'transaction') return;
          transactions += 1;
          if (transactions === 2) throw failure;
        },
      });
      const values = Array.from({ length: 10 }, (_, index) => ({ id: index, name: `n${index}` }));
      await expect(sync([tenant], values, { batchSize: 4 }, failing)).rejects.toBe(failure);
      expect(await names(tenant)).toHaveLength(4);
      expect(await queueOf(database, tenant, 'wits')).toHaveLength(4);
    });

    test('are read no further than the limit, or than the signal lets', async () => {
      const tenant = uniqueName('tenant');
      const values = Array.from({ length: 10 }, (_, index) => ({ id: index, name: `n${index}` }));
      expect((await sync([tenant], values, { limit: 3 })).counts).toMatchObject([{ inserted: 3 }]);
      const reason = new Error('SIGTERM');
      await expect(sync([tenant], values, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(await names(tenant)).toHaveLength(3);
    });

    test('of a dry run are only counted', async () => {
      const tenant = uniqueName('tenant');
      const { counts } = await sync(
        [tenant],
        [
          { id: 1, name: 'a' },
          { id: 2, name: 'b' },
        ],
        { dryRun: true },
      );
      expect(counts).toMatchObject([{ inserted: 2, queued: 2 }]);
      expect([await names(tenant), await queueOf(database, tenant, 'wits')]).toEqual([[], []]);
    });
  });
}
