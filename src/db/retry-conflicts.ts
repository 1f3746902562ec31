import { pause } from '../lifetime/abort.ts';
import { DatabaseError } from '../ports/database.ts';
import type { CallOptions } from '../ports/database.ts';

/** serialization_failure and deadlock_detected: Postgres undid the transaction and asks for it again. */
const CONFLICTS = new Set(['40001', '40P01']);
const MAX_ATTEMPTS = 6;
const FIRST_PAUSE_MS = 20;

/**
 * Runs a statement or transaction again when Postgres sacrificed it to a concurrent one. `work` must begin anew
 * each time.
 * @throws the last conflict after six attempts; anything else at once
 */
export async function retryConflicts<Result>(
  work: () => Promise<Result>,
  options: CallOptions = {},
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const isConflict = error instanceof DatabaseError && CONFLICTS.has(error.sqlState);
      if (!isConflict || attempt >= MAX_ATTEMPTS) throw error;
      // Jitter, so that the two do not meet again.
      await pause(FIRST_PAUSE_MS * 2 ** attempt * Math.random(), options.signal);
    }
  }
}
