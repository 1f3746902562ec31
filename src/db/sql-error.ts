import { unavailableError, type VecpipeError } from '../errors/vecpipe-error.ts';
import { DatabaseError } from '../ports/database.ts';

/** The fields of an ErrorResponse that are looked at, https://www.postgresql.org/docs/current/protocol-error-fields.html */
export interface ErrorResponse {
  message: string;
  /** SQLSTATE. */
  code: string;
  /** `ERROR`; `FATAL` when the connection is over, `PANIC` when the server is. */
  severity?: string | undefined;
  /** C function of the server that reported it. */
  routine?: string | undefined;
  /** Call stack inside the server. */
  where?: string | undefined;
}

/** Tells an error that Postgres sent from everything else that a driver may throw. */
export function isErrorResponse(error: unknown): error is Error & ErrorResponse {
  return (
    error instanceof Error &&
    'severity' in error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^[0-9A-Z]{5}$/.test(error.code)
  );
}

/**
 * Translates what Postgres refused. Conditions of the server (going down, full, read-only) are `unavailable`;
 * all else is a DatabaseError. The original is not kept as cause: its `detail` holds row values.
 *
 * @param place such as `Postgres at db.example:5432/app (DATABASE_URL)`
 */
export function sqlError(response: ErrorResponse, place: string): VecpipeError | DatabaseError {
  return serverCondition(response, place) ?? new DatabaseError(safeMessage(response), response.code);
}

/** Shutdown, crash, startup or recovery, and the end of an idle session. */
const CONNECTION_LOSSES: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '57P05']);

/** True for the SQLSTATEs with which a server ends or refuses a connection for reasons of its own. */
export function isConnectionLoss(sqlState: string): boolean {
  return sqlState.startsWith('08') || CONNECTION_LOSSES.has(sqlState);
}

function serverCondition(response: ErrorResponse, place: string): VecpipeError | null {
  if (isConnectionLoss(response.code)) {
    return unavailableError(
      'database_connection_lost',
      `lost the connection to ${place}: ${response.message}`,
      'Run the same command again once the server is back.',
    );
  }
  switch (response.code) {
    case '53100':
      return unavailableError('database_disk_full', `${place} has no disk space left`, 'Free some space.');
    case '57014':
      return unavailableError(
        'database_statement_timeout',
        `${place} ended a statement because it took too long`,
        'Raise statement_timeout for this database user, or set it to 0.',
      );
    case '53200':
      return unavailableError('database_out_of_memory', `${place} ran out of memory`);
    case '53300':
      return unavailableError(
        'database_too_many_connections',
        `${place} accepts no more connections`,
        "Run fewer processes at once, or raise the server's max_connections.",
      );
    case '25006':
      return unavailableError(
        'database_read_only',
        `${place} is read-only`,
        'It may be a standby or in maintenance: use the primary server, with a user that may write.',
      );
    default:
      return null;
  }
}

/** Postgres' own message without the values that some of them quote. */
function safeMessage(response: ErrorResponse): string {
  if (response.routine === 'exec_stmt_raise') {
    // RAISE: the text is the database owner's own and usually quotes the row.
    const raisedIn = /^PL\/pgSQL function (.+?) line /.exec(response.where ?? '')?.[1];
    return raisedIn === undefined
      ? 'a function of the database raised an exception'
      : `the database function ${raisedIn} raised an exception`;
  }
  const firstLine = response.message.split('\n', 1)[0] ?? '';
  // Class 22, data exceptions: `invalid input syntax for type integer: "abc"`, `value "9999" is out of range …`.
  if (!response.code.startsWith('22')) return firstLine;
  return (firstLine.split(': ', 1)[0] ?? '').replaceAll(/".*"/gs, '"…"');
}
