import { array, assert, asyncProperty, boolean, constantFrom, integer, oneof, record } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Database, Queryable } from '../../src/ports/database.ts';
import { queueDifference } from '../../src/sources/rows/difference.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import { needsComparison, noteCompared, readEpoch } from '../../src/triggers/baseline.ts';
import { installTriggers } from '../../src/triggers/install-triggers.ts';
import { triggerDefinition } from '../../src/triggers/trigger-definition.ts';
import { useMigrated } from '../helpers/backends.ts';
import { availableDatabases } from '../helpers/databases.ts';
import type { DatabaseVariant } from '../helpers/databases.ts';
import { createGeneration, settleQueue, stateOf, tableEntity, uniqueName } from '../helpers/pipeline.ts';

const RUNS = 25;
const TENANTS = ['1', '2'] as const;

const id = integer({ min: 1, max: 6 });
const range = record({ from: id, to: id });
const tenant = constantFrom('1', '2', null);
const text = constantFrom('a', 'b', '😀', '', null);

/** Statements as an application sends them; `settle` is a worker that does what is queued. */
const step = oneof(
  record({ type: constantFrom('insert'), range, tenant, text, gone: boolean() }),
  record({ type: constantFrom('rename', 'note', 'mark'), range, text, gone: boolean() }),
  record({ type: constantFrom('move'), range, by: integer({ min: -2, max: 2 }), tenant }),
  record({ type: constantFrom('delete'), range }),
  record({ type: constantFrom('truncate', 'settle', 'rollBack') }),
);
type Step = typeof step extends { generate: (...args: never[]) => { value: infer Value } } ? Value : never;

for (const variant of availableDatabases()) describeModel(variant);

function describeModel(variant: DatabaseVariant): void {
  describe(`triggers and comparisons on ${variant.name}`, () => {
    let database: Database;
    useMigrated(variant, async (opened) => {
      database = opened.database;
      await database.execute('create schema vp');
    });

    test('say the same, whatever is done to the rows', async () => {
      await assert(
        asyncProperty(array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
          const name = uniqueName('model');
          await database.execute(
            `create table vp.${name} (id integer, name text, body text, tag text, note text, tenant_id integer, gone boolean)`,
          );
          const entity = tableEntity(name, { name, tenantColumn: 'tenant_id', deletedColumn: 'gone' });
          const sources = await Promise.all(TENANTS.map((each) => openRowSource(database, entity, each)));
          const [first] = sources;
          const definition = first && triggerDefinition(first);
          if (!definition) throw new Error('a table was to have triggers');
          await installTriggers(database, definition, { dryRun: false });
          const generation = await createGeneration(database, uniqueName('collection'));
          const settle = async () => {
            for (const source of sources) await settleQueue(database, source, generation);
          };
          for (const source of sources)
            await noteCompared(database, source, generation, await readEpoch(database, source));

          for (const one of steps) {
            if (one.type === 'settle') await settle();
            else if (one.type === 'rollBack') await rollBack(database, name);
            else await take(database, name, one);
          }

          for (const source of sources) {
            const isEmptied = await needsComparison(database, source, generation);
            expect(isEmptied).toBe(steps.some(({ type }) => type === 'truncate'));
            const found = await queueDifference(database, source, generation, { deleteAll: true });
            const news = found.queuedAdded + found.queuedChanged + found.queuedDeleted;
            if (!isEmptied) expect(news).toBe(0);
          }
          await settle();
          for (const source of sources) {
            const { rows } = await database.query<{ key: string }>(
              `select id::text as key from vp.${name} where tenant_id = $1::int and gone is not true and id is not null order by id::text collate "C"`,
              [source.tenant],
            );
            const state = await stateOf(database, source.tenant, name);
            expect(state.map(({ key }) => key)).toEqual(rows.map(({ key }) => key));
          }
        }),
        { numRuns: RUNS },
      );
    }, 120_000);
  });
}

async function take(database: Queryable, name: string, one: Step): Promise<void> {
  const table = `vp.${name}`;
  const { from, to } = 'range' in one ? one.range : { from: 0, to: 0 };
  const between = [Math.min(from, to), Math.max(from, to)];
  switch (one.type) {
    case 'insert':
      // No index: keys stay unique here, and in no particular order.
      await database.query(
        `insert into ${table} (id, name, tenant_id, gone)
        select n, $3, $4::int, $5::boolean from generate_series($1::int, $2::int) n
        where not exists (select from ${table} t where t.id = n)`,
        [
          ...between,
          'text' in one ? one.text : null,
          'tenant' in one ? one.tenant : null,
          'gone' in one && one.gone,
        ],
      );
      break;
    case 'rename':
      await database.query(`update ${table} set name = $3 where id between $1 and $2`, [
        ...between,
        'text' in one ? one.text : null,
      ]);
      break;
    case 'note':
      await database.query(`update ${table} set note = $3 where id between $1 and $2`, [
        ...between,
        'text' in one ? one.text : null,
      ]);
      break;
    case 'mark':
      await database.query(`update ${table} set gone = $3::boolean where id between $1 and $2`, [
        ...between,
        'gone' in one && one.gone,
      ]);
      break;
    case 'move':
      // Every key moves, so that they stay unique.
      await database.query(
        `update ${table} set id = id + $3::int, tenant_id = case when id between $1 and $2 then $4::int else tenant_id end`,
        [...between, 'by' in one ? one.by : 0, 'tenant' in one ? one.tenant : null],
      );
      break;
    case 'delete':
      await database.query(`delete from ${table} where id between $1 and $2`, between);
      break;
    default:
      await database.execute(`truncate ${table}`);
  }
}

async function rollBack(database: Database, name: string): Promise<void> {
  const undone = new Error('undone');
  await database
    .transaction(async (tx) => {
      await tx.execute(`update vp.${name} set name = 'x', id = id + 1; delete from vp.${name}`);
      throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
}
