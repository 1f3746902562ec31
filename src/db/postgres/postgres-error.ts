import { unavailableError, usageError, VecpipeError } from '../../errors/vecpipe-error.ts';
import { errorMessage } from '../../util/error-message.ts';
import { isConnectionLoss, isErrorResponse, sqlError } from '../sql-error.ts';

/** The server that a connection is, or should be, made to. */
export interface PostgresPlace {
  /** `host:port/database`. */
  location: string;
  /** Where the URL was taken from, such as `DATABASE_URL`. */
  source: string;
}

/** Translates what made a connection fail before any query ran on it. */
export function connectError(error: unknown, { location, source }: PostgresPlace): Error {
  const place = `Postgres at ${location} (${source})`;
  if (error instanceof VecpipeError) return error;
  if (!isErrorResponse(error)) {
    if (isNetworkError(error)) return unreachable(place, networkReason(error));
    if (isCertificateError(error)) {
      return usageError(
        'database_certificate_refused',
        `the TLS certificate of ${place} was not accepted: ${errorMessage(error)}`,
        'Add sslrootcert=<file> with the CA to the URL, or sslmode=no-verify to go without the check.',
      );
    }
    return refusedSetup(error, place);
  }
  switch (error.code) {
    case '28P01':
      return usageError('database_login_refused', `${place} refused the password`, `Correct ${source}.`);
    case '28000':
      return usageError(
        'database_login_refused',
        `${place} does not let this user in from here`,
        `Check the user and sslmode in ${source}, and the server's pg_hba.conf.`,
      );
    case '3D000':
      return usageError(
        'database_missing',
        `the database named in ${source} does not exist on Postgres at ${location}`,
        `Create it, or correct ${source}.`,
      );
    case '42501':
      return usageError(
        'database_login_refused',
        `${place} does not allow this user to connect to the database`,
        'Grant it: GRANT CONNECT ON DATABASE … TO ….',
      );
    default:
      if (isConnectionLoss(error.code)) return unreachable(place, error.message);
      return sqlError(error, place);
  }
}

/** Translates what a query on an open connection failed with. */
export function queryError(error: unknown, { location, source }: PostgresPlace): unknown {
  const place = `Postgres at ${location} (${source})`;
  if (isErrorResponse(error)) return sqlError(error, place);
  if (!isNetworkError(error)) return error;
  return unavailableError(
    'database_connection_lost',
    `lost the connection to ${place}: ${networkReason(error)}`,
    'Run the same command again once the server is back.',
    error,
  );
}

function unreachable(place: string, reason: string): VecpipeError {
  return unavailableError(
    'database_unreachable',
    `cannot reach ${place}: ${reason}`,
    'Check that the server is running and that host and port are right.',
  );
}

/** The driver gives up on a login or a TLS handshake with plain errors that have a message only. */
function refusedSetup(error: unknown, place: string): VecpipeError {
  const reason = errorMessage(error);
  if (reason.startsWith('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password')) {
    return usageError(
      'database_login_refused',
      `${place} asks for a password and none was given`,
      'Put it in the URL, or in PGPASSWORD.',
    );
  }
  return usageError(
    'database_connection_refused',
    `cannot set up a connection to ${place}: ${reason}`,
    'Check sslmode and the login in the URL.',
  );
}

const NETWORK_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  ETIMEDOUT: 'timed out',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOENT: 'there is no such socket',
  EACCES: 'no permission to use the socket',
};

/** Messages of the driver's own errors, which have no code. */
const DRIVER_REASONS: readonly [start: string, reason: string][] = [
  ['timeout expired', 'no answer in time'],
  ['Connection terminated', 'connection closed'],
  ['Client has encountered a connection error', 'connection closed'],
];

function networkReason(error: unknown): string {
  const message = errorMessage(error);
  const byMessage = DRIVER_REASONS.find(([start]) => message.startsWith(start))?.[1];
  return byMessage ?? NETWORK_REASONS[codeOf(error)] ?? message;
}

function isNetworkError(error: unknown): boolean {
  const message = errorMessage(error);
  return (
    Object.hasOwn(NETWORK_REASONS, codeOf(error)) ||
    (error instanceof Error && 'syscall' in error) ||
    DRIVER_REASONS.some(([start]) => message.startsWith(start))
  );
}

/** Codes of OpenSSL and of Node's own check of the host name. */
function isCertificateError(error: unknown): boolean {
  return /CERT|UNABLE_TO_|ERR_TLS/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
