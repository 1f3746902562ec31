import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';
import { errorMessage } from '../../util/error-message.ts';

/** `shown` is the address of Qdrant without credentials. */

export function storeUnreachable(shown: string, reason: string, cause?: unknown): VecpipeError {
  return unavailableError(
    'store_unreachable',
    `cannot reach Qdrant at ${shown} (QDRANT_URL): ${reason}`,
    'check that Qdrant runs there and that QDRANT_URL names its REST port, mostly 6333',
    cause,
  );
}

export function storeUnauthorized(shown: string, keyGiven: boolean): VecpipeError {
  return usageError(
    'store_unauthorized',
    keyGiven
      ? `Qdrant at ${shown} refuses the API key from QDRANT_API_KEY`
      : `Qdrant at ${shown} asks for an API key, and QDRANT_API_KEY is not set`,
    'set QDRANT_API_KEY to a key that may read and write',
  );
}

export function storeKeyInvalid(): VecpipeError {
  return usageError(
    'store_key_invalid',
    'the API key in QDRANT_API_KEY holds a line break or another character that cannot be sent',
    'set it to the key alone, without quotes, blanks or a line break around it',
  );
}

export function storeNotQdrant(shown: string, what: string, cause?: unknown): VecpipeError {
  return usageError(
    'store_not_qdrant',
    `what answers at ${shown} (QDRANT_URL) is not Qdrant's REST API: ${what}`,
    "set QDRANT_URL to Qdrant's REST address, mostly port 6333 (6334 speaks gRPC)",
    cause,
  );
}

export function storeTooOld(shown: string, version: string, minimum: string): VecpipeError {
  return usageError(
    'store_too_old',
    `Qdrant at ${shown} (QDRANT_URL) is version ${version}, and vecpipe needs ${minimum} or newer`,
    'upgrade Qdrant',
  );
}

/** A request that Qdrant understood and will never accept. `action` completes "Qdrant refused to …". */
export function storeRefused(shown: string, action: string, status: number, message: string): VecpipeError {
  const reason = publicReason(message);
  return usageError(
    'store_refused',
    `Qdrant at ${shown} refused to ${action} (${status}${reason === '' ? '' : `: ${reason}`})`,
  );
}

/** 413, which a proxy before Qdrant answers: Qdrant itself takes more than the store ever sends at once. */
export function storeRefusesSize(shown: string, bytes: number): VecpipeError {
  return usageError(
    'store_refuses_size',
    `a request of ${Math.ceil(bytes / 1024)} KiB is too large for the server at ${shown} (QDRANT_URL)`,
    'raise the body limit of the proxy before Qdrant to 32 MiB, or use a smaller --batch-size',
  );
}

/** Qdrant took a write without saying that it is stored. */
export function storeNotConfirmed(shown: string, action: string, status: string): VecpipeError {
  return unavailableError(
    'store_not_confirmed',
    `Qdrant at ${shown} did not confirm to ${action}: the update is "${status}", not "completed"`,
    'run the command again; nothing was recorded as stored',
  );
}

/** Qdrant has given up building a collection's indexes. */
export function storeNotOptimized(shown: string, collection: string, message: string): VecpipeError {
  const reason = publicReason(message);
  return unavailableError(
    'store_not_optimized',
    `Qdrant at ${shown} failed to optimise the collection ${collection}${reason === '' ? '' : `: ${reason}`}`,
    "look at Qdrant's log and its free disk and memory, then run the command again",
  );
}

/**
 * What Qdrant says about a format error may repeat a value of the request, that is, a row's text; the other kinds
 * name collections, fields and sizes.
 */
function publicReason(message: string): string {
  if (message === '' || message.startsWith('Format error')) return '';
  const line = errorMessage(new Error(message));
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

export type ConnectionFailure =
  /** May pass: worth another attempt. */
  | { kind: 'passing'; reason: string }
  /** Some other protocol answers there. */
  | { kind: 'foreign'; reason: string }
  /** TLS cannot be agreed on, or the certificate is not trusted. */
  | { kind: 'tls'; reason: string; hint: string };

const PASSING_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  ECONNABORTED: 'the connection was reset',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  ETIMEDOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped half-way',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
};

/** Sorts what an HTTP attempt threw; null when it is no failure of the connection. */
export function connectionFailure(error: unknown): ConnectionFailure | null {
  if (error instanceof Error && error.name === 'HTTPParserError') {
    return { kind: 'foreign', reason: 'the answer is not HTTP' };
  }
  const code = errorCode(error);
  if (code === null) return null;
  const reason = PASSING_REASONS[code];
  if (reason !== undefined) return { kind: 'passing', reason };
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return { kind: 'tls', reason: 'it does not speak TLS', hint: 'write http:// instead of https://' };
  }
  if (/CERT|ERR_TLS|UNABLE_TO_VERIFY/.test(code)) {
    return {
      kind: 'tls',
      reason: `its TLS certificate is not trusted (${code})`,
      hint: 'set NODE_EXTRA_CA_CERTS to the file of the certificate authority',
    };
  }
  return null;
}

export function storeTls(shown: string, reason: string, hint: string, cause: unknown): VecpipeError {
  return usageError('store_tls', `cannot reach Qdrant at ${shown} (QDRANT_URL): ${reason}`, hint, cause);
}

function errorCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : errorCode(error.cause);
}
