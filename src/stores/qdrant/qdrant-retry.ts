/** How often and how long a request is tried again. */
export interface RetryPolicy {
  /** Attempts at the most, the first one included. */
  maxAttempts: number;
  /** All attempts and the pauses between them. */
  deadlineMs: number;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * The pause after a failed attempt: doubles from 100 ms to 5 s, of which a random half is left out so that many
 * workers do not return together; never shorter than the server asked for.
 * @param attempt the number of the attempt that failed, from 1
 */
export function pauseAfterAttempt(
  attempt: number,
  retryAfterMs: number,
  random: () => number = Math.random,
): number {
  const full = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return Math.max(retryAfterMs, full * (0.5 + random() / 2));
}

/** Whether the same request may succeed later; 501 says that it never will. */
export function isPassingStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** Milliseconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3: seconds or a date); 0 without one. */
export function retryAfterMs(header: string | undefined, nowMs: number = Date.now()): number {
  if (header === undefined) return 0;
  const seconds = Number(header);
  const delayMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : 0;
}
