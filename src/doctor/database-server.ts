import type { CallOptions, Queryable } from '../ports/database.ts';
import { fail, ok, shownMs } from './check.ts';
import type { Finding } from './check.ts';

/** How long a statement that does nothing takes. */
export async function checkAnswer(
  database: Queryable,
  choice: string,
  options: CallOptions,
): Promise<Finding> {
  // The first one may have to warm up.
  await database.query('select 1', [], options);
  const startedAt = performance.now();
  await database.query('select 1', [], options);
  return ok(`${choice}; answers in ${shownMs(performance.now() - startedAt)}`);
}

/** One that is too old is refused when it is opened. */
export async function checkServerVersion(database: Queryable, options: CallOptions): Promise<Finding> {
  const { rows } = await database.query<{ version: string }>(
    `select current_setting('server_version') as version`,
    [],
    options,
  );
  return ok(`Postgres ${rows[0]?.version ?? 'of an unknown version'}`);
}

/** A standby, or a server, database or user that is set to read only, takes no work. */
export async function checkWritable(database: Queryable, options: CallOptions): Promise<Finding> {
  const { rows } = await database.query<{ isStandby: boolean; isReadOnly: boolean }>(
    `select pg_is_in_recovery() as "isStandby",
            current_setting('default_transaction_read_only')::boolean as "isReadOnly"`,
    [],
    options,
  );
  if (rows[0]?.isStandby) {
    return fail('the server is a standby and takes no writes', 'use the primary server');
  }
  if (rows[0]?.isReadOnly) {
    return fail(
      'default_transaction_read_only is on, so nothing can be written',
      'set it to off for this user and database, or use another server',
    );
  }
  return ok('the server takes writes');
}
