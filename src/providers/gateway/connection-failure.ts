const NAMES: Readonly<Record<string, string>> = {
  ECONNRESET: 'connection reset',
  ECONNREFUSED: 'connection refused',
  EPIPE: 'connection reset',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  UND_ERR_SOCKET: 'connection reset',
  UND_ERR_CONNECT_TIMEOUT: 'connect timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'answer cut off',
  HPE_INVALID_CONSTANT: 'not HTTP',
};

/** How deep the SDK and the client wrap what the socket said. */
const DEEPEST_CAUSE = 6;

/** What went wrong with a connection, in a few words that hold nothing of the request. */
export function describeConnectionFailure(error: unknown): string {
  let found: string | null = null;
  let each: unknown = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && each instanceof Error; depth += 1) {
    if (each.name === 'APIConnectionTimeoutError') return 'timeout';
    const { code } = each as NodeJS.ErrnoException;
    if (typeof code === 'string') found = NAMES[code] ?? code;
    each = each instanceof AggregateError ? each.errors[0] : each.cause;
  }
  return found ?? 'connection failed';
}
