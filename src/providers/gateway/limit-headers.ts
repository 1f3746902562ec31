/** What an endpoint says of one of its limits. */
export interface Quota {
  limit: number | null;
  remaining: number;
  /** Until the limit is whole again; null where it does not say. */
  resetMs: number | null;
}

export interface LimitHeaders {
  /** How long the endpoint asks to be left alone. */
  retryAfterMs: number | null;
  requests: Quota | null;
  tokens: Quota | null;
}

interface HeaderSource {
  get(name: string): string | null;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A whole duration such as `6m0s`, `1.5s` or `120ms`. */
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/;

/** Larger numbers are no duration but seconds since 1970. */
const SMALLEST_EPOCH_SECONDS = 1_000_000_000;

/**
 * Reads `retry-after-ms` (OpenAI, Azure), `Retry-After` (seconds or a date,
 * https://www.rfc-editor.org/rfc/rfc9110#field.retry-after; fractions are taken too) and the `x-ratelimit-*` headers
 * (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers). What cannot be read counts as not
 * said.
 *
 * @param epochMs the time now, which a date is compared with
 */
export function readLimitHeaders(headers: HeaderSource, epochMs: number): LimitHeaders {
  return {
    retryAfterMs: retryAfterOf(headers, epochMs),
    requests: quotaOf(headers, 'requests', epochMs),
    tokens: quotaOf(headers, 'tokens', epochMs),
  };
}

function retryAfterOf(headers: HeaderSource, epochMs: number): number | null {
  const milliseconds = numberOf(headers.get('retry-after-ms'));
  if (milliseconds !== null) return milliseconds;
  const written = headers.get('retry-after');
  if (written === null) return null;
  const seconds = numberOf(written);
  if (seconds !== null) return seconds * 1000;
  return durationOf(written, epochMs);
}

function quotaOf(headers: HeaderSource, what: 'requests' | 'tokens', epochMs: number): Quota | null {
  const remaining = numberOf(headers.get(`x-ratelimit-remaining-${what}`));
  if (remaining === null) return null;
  return {
    limit: numberOf(headers.get(`x-ratelimit-limit-${what}`)),
    remaining,
    resetMs: durationOf(headers.get(`x-ratelimit-reset-${what}`), epochMs),
  };
}

/** `1s`, `6m0s`, `120ms`; a bare number is seconds, a large one the second since 1970; or a date. */
function durationOf(written: string | null, epochMs: number): number | null {
  const text = written?.trim() ?? '';
  if (text === '') return null;
  const seconds = numberOf(text);
  if (seconds !== null) {
    return seconds < SMALLEST_EPOCH_SECONDS ? seconds * 1000 : Math.max(0, seconds * 1000 - epochMs);
  }
  if (DURATION.test(text)) {
    let sum = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
      sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
    }
    return sum;
  }
  // Without a time of day almost anything is a date to `Date.parse`, `-1` too.
  const date = /\d:\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - epochMs);
}

/** A number that is not negative, or null. */
function numberOf(written: string | null): number | null {
  const text = written?.trim() ?? '';
  return /^\d+(?:\.\d*)?$/.test(text) ? Number(text) : null;
}
