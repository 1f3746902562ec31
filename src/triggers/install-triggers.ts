import { quoteIdentifier } from '../db/quote.ts';
import { unavailableError, usageError } from '../errors/vecpipe-error.ts';
import { DatabaseError } from '../ports/database.ts';
import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import type { TriggerDefinition } from './trigger-definition.ts';
import { functionName } from './trigger-names.ts';
import { readTriggerState } from './trigger-state.ts';
import type { TriggerState } from './trigger-state.ts';

/** Others wait behind us for the table while we wait for those that hold it. */
const LOCK_TIMEOUT_MS = 10_000;

export interface InstallOptions extends CallOptions {
  /** Only say what would be done. */
  dryRun: boolean;
}

/**
 * Makes an entity's triggers, in one transaction, in place of those that are there; does nothing when they are as
 * they should be.
 * @returns what there was before
 * @throws {VecpipeError} `usage` when rights are missing, `unavailable` when the table is locked for too long
 */
export async function installTriggers(
  database: Database,
  definition: TriggerDefinition,
  { dryRun, ...options }: InstallOptions,
): Promise<TriggerState> {
  if (dryRun) return readTriggerState(database, definition, options);
  const { entity, relation } = definition;
  return explained(entity, relation, () =>
    database.transaction(async (tx) => {
      await beginChange(tx, entity);
      const state = await readTriggerState(tx, definition, options);
      if (state === 'current') return state;
      for (const statement of definition.statements) await tx.query(statement, [], options);
      // The clock, so that triggers that were dropped and made again never count from an epoch that was there before.
      await tx.query(
        `insert into vecpipe.row_triggers as r (entity, relation, definition_hash, epoch)
        values ($1, $2, $3, (extract(epoch from clock_timestamp()) * 1000000)::int8)
        on conflict (entity) do update set
          relation = excluded.relation, definition_hash = excluded.definition_hash, installed_at = now(),
          epoch = greatest(r.epoch + 1, excluded.epoch)`,
        [entity, relation, definition.hash],
        options,
      );
      return state;
    }, options),
  );
}

/**
 * Drops an entity's triggers and all that is recorded of them, whatever has become of the table or the config.
 * @returns false when there was nothing to drop
 * @throws {VecpipeError} `usage` when rights are missing, `unavailable` when the table is locked for too long
 */
export async function dropTriggers(
  database: Database,
  entity: string,
  { dryRun, ...options }: InstallOptions,
): Promise<boolean> {
  const name = functionName(entity);
  return explained(entity, 'its table', () =>
    database.transaction(async (tx) => {
      if (!dryRun) await beginChange(tx, entity);
      const { rows } = await tx.query<{ isThere: boolean }>(
        `select exists (select from vecpipe.row_triggers where entity = $1) or exists (
          select from pg_catalog.pg_proc where proname = $2 and pronamespace = to_regnamespace('vecpipe')::oid
        ) as "isThere"`,
        [entity, name],
        options,
      );
      const isThere = rows[0]?.isThere ?? false;
      if (dryRun || !isThere) return isThere;
      // The triggers hang on the function.
      await tx.query(`drop function if exists vecpipe.${quoteIdentifier(name)}() cascade`, [], options);
      await tx.query('delete from vecpipe.row_triggers where entity = $1', [entity], options);
      return true;
    }, options),
  );
}

/** The entities that have triggers, by name, the config's and others. */
export async function listTriggers(
  database: Queryable,
  options: CallOptions = {},
): Promise<{ entity: string; relation: string }[]> {
  const { rows } = await database.query<{ entity: string; relation: string }>(
    'select entity, relation from vecpipe.row_triggers order by entity',
    [],
    options,
  );
  return rows;
}

/** One at a time for an entity, and no endless wait before the table. */
async function beginChange(tx: Queryable, entity: string): Promise<void> {
  await tx.query(`select set_config('lock_timeout', $1, true)`, [`${LOCK_TIMEOUT_MS}ms`]);
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('vecpipe triggers of ' || $1, 0))`, [entity]);
}

async function explained<Result>(
  entity: string,
  table: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.sqlState === '42501') {
      throw usageError(
        'triggers_forbidden',
        `the database user may not change the triggers of ${entity}: ${error.message}`,
        `run it as a user that has the right TRIGGER on ${table}, may create in the schema vecpipe, and owns what was made there before`,
        error,
      );
    }
    if (error.sqlState === '55P03') {
      throw unavailableError(
        'triggers_table_busy',
        `the triggers of ${entity} cannot be changed because others have held the table for ${LOCK_TIMEOUT_MS / 1000} s`,
        'run the same command again when long transactions on it have ended',
        error,
      );
    }
    throw error;
  }
}
