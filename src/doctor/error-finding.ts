import { VecpipeError } from '../errors/vecpipe-error.ts';
import { DatabaseError } from '../ports/database.ts';
import { errorMessage } from '../util/error-message.ts';
import { fail } from './check.ts';
import type { Finding } from './check.ts';

/** What a check that threw came to. A bug is told as one, with its message, so that it is not taken for the user's fault. */
export function errorFinding(error: unknown): Finding {
  if (error instanceof VecpipeError) {
    return fail(error.message, error.hint ?? DEFAULT_FIXES[error.family]);
  }
  if (error instanceof DatabaseError) {
    return fail(
      `the database refused to answer: ${error.message} (SQLSTATE ${error.sqlState})`,
      'look into the log of the database',
    );
  }
  return fail(
    `this check has a bug: ${errorMessage(error)}`,
    'please report it with this line; the other checks do not depend on it',
  );
}

const DEFAULT_FIXES: Readonly<Record<VecpipeError['family'], string>> = {
  usage: 'correct what the sentence names',
  unavailable: 'see that it runs, then try again',
  drift: 'run `vecpipe vectorize --refresh`',
  credits: 'grant the tenant credits',
};
