import { DatabaseError } from '../../ports/database.ts';

/** Whether Postgres refused with one of these codes, https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function hasSqlState(error: unknown, ...sqlStates: string[]): error is DatabaseError {
  return error instanceof DatabaseError && sqlStates.includes(error.sqlState);
}
