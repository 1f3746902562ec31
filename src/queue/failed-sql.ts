/**
 * SQL that is true for a row of the queue (alias `q`) that has failed and is not due: it rests until somebody
 * retries it or it changes (`infinity`), or until its next try.
 */
export const HAS_FAILED = '(q.error_code is not null and q.available_at > now())';

/** Tries of a row that a provider refuses, until it rests. */
const MAX_TRIES = 5;

/** When a row (alias `q`) that has just failed is due again: after 1, 4, 16 and 64 minutes, then not by itself. */
export const nextTrySql = (isFinal: string): string => `
  case when ${isFinal} or q.failures + 1 >= ${MAX_TRIES} then 'infinity'
    else now() + interval '1 minute' * power(4, q.failures)
  end`;
