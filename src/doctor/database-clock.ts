import type { CallOptions, Queryable } from '../ports/database.ts';
import { ok, shownMs, warn } from './check.ts';
import type { Finding } from './check.ts';

/** The quickest of these is taken: the shorter the way, the less is guessed. */
const SAMPLES = 3;
const ALLOWED_MS = 2_000;

/**
 * How far the clocks of the database and of this machine are apart, taken that an answer needs half of the time.
 * It is never more than a warning, because no work depends on it: a lease begins and ends by the database's clock,
 * and its holder counts down with one that knows no time of day.
 */
export async function checkClock(
  database: Queryable,
  options: CallOptions,
  now: () => number = Date.now,
): Promise<Finding> {
  let quickest = { offsetMs: 0, tookMs: Infinity };
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const before = now();
    const { rows } = await database.query<{ ms: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
      [],
      options,
    );
    const after = now();
    const tookMs = after - before;
    if (tookMs >= quickest.tookMs) continue;
    quickest = { offsetMs: (rows[0]?.ms ?? 0) - (before + after) / 2, tookMs };
  }
  return judgeOffset(quickest.offsetMs);
}

/** @param offsetMs positive when the database is ahead */
export function judgeOffset(offsetMs: number): Finding {
  const apart = Math.abs(offsetMs);
  if (apart <= ALLOWED_MS) return ok(`${shownMs(apart)} apart from this machine's`);
  return warn(
    `${shownMs(apart)} ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's; leases go by it alone and are not harmed, but times in logs do not agree`,
    'let both machines set their clocks by NTP',
  );
}
