import { retryConflicts } from '../../db/retry-conflicts.ts';
import { DatabaseError } from '../../ports/database.ts';
import type { CallOptions, Database, Queryable } from '../../ports/database.ts';
import { ON_QUEUED_ALREADY } from '../../queue/enqueue-sql.ts';
import { HAS_FAILED } from '../../queue/failed-sql.ts';
import type { WorkOf } from '../../queue/work.ts';
import { duplicateKeyError, hasDuplicateKey } from './duplicate-key.ts';
import type { RowSource } from './row-source.ts';
import { sourceError } from './source-error.ts';

/** More than this share of the stored rows is not deleted without being asked for. */
export const DELETE_GUARD = 0.2;

export interface Difference {
  /** Rows of the source, those without a key left out. */
  rows: number;
  /** Rows that the store should hold already, as recorded. */
  recorded: number;
  added: number;
  changed: number;
  unchanged: number;
  vanished: number;
  /** Rows whose key is null (or partly): they cannot be told apart, so they are never stored. */
  keyless: number;
  /** True when the vanished rows are more than the guard lets pass. */
  guarded: boolean;
}

export interface DifferenceOptions extends CallOptions, WorkOf {
  /** Delete vanished rows even when they are more than the guard lets pass. */
  deleteAll: boolean;
}

export interface QueuedDifference extends Difference {
  /** Newly put in the queue by this call, by kind; what was queued before with the same content is not counted. */
  queuedAdded: number;
  queuedChanged: number;
  queuedDeleted: number;
}

/**
 * Compares every row of the source with what is recorded for the generation, in SQL and in one pass: only the
 * counts cross the wire. Binds $1 tenant, $2 entity, $3 generation id, $4 the guard, $5 whose queue it is.
 *
 * A row that rests as failed is known by its queue row, so that it is noticed when it vanishes, and when it is
 * again what is recorded: it then has to leave the queue.
 */
export function differenceCtes(source: RowSource): string {
  return `
    source as (
      select (${source.keySql}) collate "C" as key, ${source.hashSql} as hash
      from ${source.from} where ${source.tenantCondition}
    ), resting as materialized (
      select key, operation, row_hash from vecpipe.queue q
      where tenant = $1 and entity = $2 and building = $5 and ${HAS_FAILED}
    ), recorded as (
      select key, case when key not in (select key from resting) then row_hash end as row_hash, true as stored
      from vecpipe.vector_state
      where generation_id = $3 and tenant = $1 and entity = $2
      union all
      select key, null::bytea, false from resting
      where not exists (
        select from vecpipe.vector_state v
        where v.generation_id = $3 and v.tenant = $1 and v.entity = $2 and v.key = resting.key
      )
    ), difference as materialized (
      select
        coalesce(source.key, recorded.key) as key,
        source.hash,
        coalesce(recorded.stored, false) as stored,
        case
          when source.hash is null then 'vanished'
          when source.key is null then 'keyless'
          when recorded.stored is distinct from true then 'added'
          when recorded.row_hash is distinct from source.hash then 'changed'
          else 'unchanged'
        end as kind
      from source full join recorded on recorded.key = source.key
    ), counted as (
      select
        count(*) filter (where kind <> 'vanished' and kind <> 'keyless') as rows,
        count(*) filter (where stored) as recorded,
        count(*) filter (where kind = 'added') as added,
        count(*) filter (where kind = 'changed') as changed,
        count(*) filter (where kind = 'unchanged') as unchanged,
        count(*) filter (where kind = 'vanished' and stored) as vanished,
        count(*) filter (where kind = 'keyless') as keyless
      from difference
    ), guard as (
      select vanished > $4::float8 * recorded as guarded from counted
    )`;
}

/** Generations are numbered from 1, so nothing is recorded for this one. */
const NO_GENERATION = 0;

/**
 * Of the time for 100,000 unchanged rows, compiling the statement took half and sorting on disk a quarter.
 * Both end with the transaction.
 */
export const PLANNER_SETTINGS = `set local jit = off; set local work_mem = '64MB'; set local enable_nestloop = off`;

export function differenceValues(
  source: RowSource,
  generationId: number | null,
  { deleteAll, building = 0 }: DifferenceOptions,
) {
  const guard = deleteAll ? 1 : DELETE_GUARD;
  return [source.tenant, source.entity.name, generationId ?? NO_GENERATION, guard, building];
}

/** Rows to queue, guarded deletes left out. */
const WANTED = `kind in ('added', 'changed') or kind = 'vanished' and not (select guarded and stored from guard)`;

/** The columns of a {@link QueuedDifference}, with the rows that were put in the queue in the CTE `queued`. */
const RESULT = `
  select counted.*, guard.guarded,
    (select count(*) from queued join difference using (key) where kind = 'added') as "queuedAdded",
    (select count(*) from queued join difference using (key) where kind = 'changed') as "queuedChanged",
    (select count(*) from queued join difference using (key) where kind = 'vanished') as "queuedDeleted"
  from counted, guard`;

/**
 * Puts what differs in the queue, in the same statement that finds it. Vanished rows above the guard are not
 * queued unless `deleteAll`. Queueing the same content twice changes nothing, so several processes may do this
 * at once, and it may be repeated when its answer was lost: it then counts nothing as newly queued.
 * @throws {VecpipeError} `usage` when a key is not unique or a row cannot be read
 */
export async function queueDifference(
  database: Database,
  source: RowSource,
  generationId: number | null,
  options: DifferenceOptions,
): Promise<QueuedDifference> {
  const { rows } = await retryConflicts(
    () =>
      database.transaction(async (tx) => {
        await tx.execute(PLANNER_SETTINGS, options);
        return tx.query<QueuedDifference>(
          `with ${differenceCtes(source)}, queued as (
            insert into vecpipe.queue as q (tenant, entity, building, key, operation, row_hash)
            select $1, $2, $5::int8, key, case kind when 'vanished' then 'delete' else 'upsert' end, hash
            from difference
            where ${WANTED}
            order by key
            ${ON_QUEUED_ALREADY} or (${HAS_FAILED} and q.failed_generation is distinct from $3)
            returning key
          )
          ${RESULT}`,
          differenceValues(source, generationId, options),
          options,
        );
      }, options),
    options,
  ).catch(async (error: unknown) => {
    // 21000 cardinality_violation: "on conflict do update" met the same key twice. Or a subquery of the source's
    // own has several rows.
    const isAmbiguous = error instanceof DatabaseError && error.sqlState === '21000';
    throw isAmbiguous && (await hasDuplicateKey(database, source, options))
      ? duplicateKeyError(error, source)
      : sourceError(error, source);
  });
  return firstRow(rows);
}

/**
 * The same comparison without queueing anything; the counts are those that {@link queueDifference} would give.
 * Leaves the keys that would then be worked on in the temporary table `vecpipe_plan(key, unconfirmed)`, which
 * lives until the transaction ends.
 */
export async function planDifference(
  tx: Queryable,
  source: RowSource,
  generationId: number | null,
  options: DifferenceOptions,
): Promise<QueuedDifference> {
  await tx.execute(PLANNER_SETTINGS, options);
  await tx.query(
    'create temporary table vecpipe_plan (key text not null, unconfirmed boolean not null) on commit drop',
    [],
    options,
  );
  const { rows } = await tx
    .query<QueuedDifference>(
      `with ${differenceCtes(source)}, wanted as (
        select d.key, d.kind, coalesce(q.unconfirmed, false) as unconfirmed,
          coalesce(${HAS_FAILED}, false) as resting,
          q.key is null or q.row_hash is distinct from d.hash
            or q.operation <> case kind when 'vanished' then 'delete' else 'upsert' end
            or (${HAS_FAILED} and q.failed_generation is distinct from $3) as differs
        from difference d
        left join vecpipe.queue q on q.tenant = $1 and q.entity = $2 and q.building = $5 and q.key = d.key
        where ${WANTED}
      ), queued as (
        select key from wanted where differs
      ), planned as (
        insert into vecpipe_plan
        select key, unconfirmed from wanted where kind <> 'vanished' and (differs or not resting)
      )
      ${RESULT}`,
      differenceValues(source, generationId, options),
      options,
    )
    .catch((error: unknown) => {
      throw sourceError(error, source);
    });
  await tx.query('create unique index on vecpipe_plan (key)', [], options).catch((error: unknown) => {
    throw error instanceof DatabaseError && error.sqlState === '23505'
      ? duplicateKeyError(error, source)
      : error;
  });
  return firstRow(rows);
}

function firstRow<Row>(rows: Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('an aggregate without a row');
  return row;
}
