import { quoteIdentifier } from '../../db/quote.ts';
import { retryConflicts } from '../../db/retry-conflicts.ts';
import type { RecordShape } from '../../entities/entity.ts';
import type { CallOptions, Database, Queryable } from '../../ports/database.ts';
import { ON_QUEUED_ALREADY } from '../../queue/enqueue-sql.ts';
import type { RowSource } from '../rows/row-source.ts';

/** A checked record of a ready-made entity. */
export interface EntityRecord {
  id: string;
  /** Values by field name, null where the record has none. */
  fields: Readonly<Record<string, string | number | null>>;
  /** JSON text of an object. */
  attributes: string;
  /** The row of this id is to go; the record has nothing else to say. */
  deleted?: true;
}

export interface StoredRecords {
  inserted: number;
  updated: number;
  /** Those that are as they were, and deleted ones that were not there. */
  unchanged: number;
  deleted: number;
  queued: number;
}

/** Thrown to undo a dry run; never leaves this file. */
class RollBack extends Error {
  readonly stored: StoredRecords;
  constructor(stored: StoredRecords) {
    super('rolled back');
    this.stored = stored;
  }
}

/**
 * Writes records and queues those that changed in the same transaction: no worker ever sees a queue row whose
 * record is not committed, and none is lost in between. The ids must be distinct. May be repeated when its answer was
 * lost; it then counts what it had written as unchanged.
 * @param options.dryRun counts what would happen and undoes it
 */
export async function storeRecords(
  database: Database,
  source: RowSource,
  shape: RecordShape,
  records: readonly EntityRecord[],
  options: CallOptions & { dryRun: boolean },
): Promise<StoredRecords> {
  try {
    const write = () =>
      database.transaction(async (tx) => {
        const kept = records.filter((record) => record.deleted !== true);
        const gone = records.filter((record) => record.deleted === true).map(({ id }) => id);
        const written = kept.length > 0 ? await upsert(tx, source, shape, kept, options) : [];
        const inserted = written.filter((row) => row.inserted).length;
        const deleted = await deleteRows(tx, source, gone, options);
        const ids = written.map((row) => row.id);
        const queuedUpserts = await queueKeys(tx, source, ids, options);
        const stored = {
          inserted,
          updated: written.length - inserted,
          unchanged: records.length - written.length - deleted.length,
          deleted: deleted.length,
          queued: queuedUpserts + (await queueDeletes(tx, source, deleted, options)),
        };
        if (options.dryRun) throw new RollBack(stored);
        return stored;
      }, options);
    return await retryConflicts(write, options);
  } catch (error) {
    if (error instanceof RollBack) return error.stored;
    throw error;
  }
}

const SQL_TYPES = { text: 'text', integer: 'integer', timestamp: 'timestamptz' } as const;

async function upsert(
  tx: Queryable,
  source: RowSource,
  shape: RecordShape,
  records: readonly EntityRecord[],
  options: CallOptions,
): Promise<{ id: string; inserted: boolean }[]> {
  const columns = [...shape.map((field) => field.name), 'attributes'].map((name) => quoteIdentifier(name));
  const types = [...shape.map((field) => SQL_TYPES[field.type]), 'text'];
  const list = columns.join(', ');
  const { rows } = await tx.query<{ id: string; inserted: boolean }>(
    `insert into ${source.from} (tenant, id, ${list})
    select $1, id, ${columns.slice(0, -1).join(', ')}, attributes::jsonb
    from jsonb_to_recordset($2::text::jsonb)
      as given(id text, ${columns.map((column, index) => `${column} ${types[index]}`).join(', ')})
    order by id
    on conflict (tenant, id) do update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}
    where (${columns.map((column) => `s.${column}`).join(', ')})
      is distinct from (${columns.map((column) => `excluded.${column}`).join(', ')})
    -- A row that this very statement made was never locked or updated by anybody.
    returning s.id, s.xmax = 0 as inserted`,
    [
      source.tenant,
      JSON.stringify(records.map(({ id, fields, attributes }) => ({ ...fields, id, attributes }))),
    ],
    options,
  );
  return rows;
}

/** @returns how many rows this put in the queue or changed there */
async function queueKeys(
  tx: Queryable,
  source: RowSource,
  ids: readonly string[],
  options: CallOptions,
): Promise<number> {
  if (ids.length === 0) return 0;
  const { changed } = await tx.query(
    `insert into vecpipe.queue as q (tenant, entity, key, operation, row_hash)
    select $1, $2, ${source.keySql}, 'upsert', ${source.hashSql}
    from ${source.from} where ${source.tenantCondition} and s.id = any ($3::text[])
    order by (${source.keySql}) collate "C"
    ${ON_QUEUED_ALREADY}`,
    [source.tenant, source.entity.name, ids],
    options,
  );
  return changed;
}

/** @returns the ids of the rows that were there */
async function deleteRows(
  tx: Queryable,
  source: RowSource,
  ids: readonly string[],
  options: CallOptions,
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<{ id: string }>(
    `with gone as materialized (
      select s.id from ${source.from} where s.tenant = $1 and s.id = any ($2::text[]) order by s.id for update
    )
    delete from ${source.from} using gone where s.tenant = $1 and s.id = gone.id returning s.id`,
    [source.tenant, ids],
    options,
  );
  return rows.map(({ id }) => id);
}

/** @returns how many rows this put in the queue or changed there */
async function queueDeletes(
  tx: Queryable,
  source: RowSource,
  ids: readonly string[],
  options: CallOptions,
): Promise<number> {
  if (ids.length === 0) return 0;
  const { changed } = await tx.query(
    `insert into vecpipe.queue as q (tenant, entity, key, operation, row_hash)
    select $1, $2, key, 'delete', null
    from unnest($3::text[]) as gone(key) order by key collate "C"
    ${ON_QUEUED_ALREADY}`,
    [source.tenant, source.entity.name, ids],
    options,
  );
  return changed;
}
