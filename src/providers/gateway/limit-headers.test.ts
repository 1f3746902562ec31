import { describe, expect, it } from 'vitest';
import { readLimitHeaders } from './limit-headers.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const read = (headers: Record<string, string>) => readLimitHeaders(new Headers(headers), NOW);

describe('readLimitHeaders', () => {
  it.each([
    ['5', 5000],
    ['0.25', 250],
    ['600', 600_000],
    ['Sun, 01 Mar 2026 12:02:00 GMT', 120_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['1m30s', 90_000],
    ['soon', null],
    ['-1', null],
  ])('reads Retry-After: %s', (written, milliseconds) => {
    expect(read({ 'retry-after': written }).retryAfterMs).toBe(milliseconds);
  });

  it('takes retry-after-ms before Retry-After', () => {
    expect(read({ 'retry-after-ms': '150', 'retry-after': '1' }).retryAfterMs).toBe(150);
  });

  it.each([
    ['1s', 1000],
    ['6m0s', 360_000],
    ['120ms', 120],
    ['1h2m3.5s', 3_723_500],
    ['2m59.56s', 179_560],
    ['30', 30_000],
    [String(NOW / 1000 + 40), 40_000],
    ['2026-03-01T12:00:10Z', 10_000],
    ['whenever', null],
  ])('reads a reset of %s', (written, milliseconds) => {
    const { requests, tokens } = read({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': written,
      'x-ratelimit-remaining-tokens': '149984',
    });
    expect(requests?.limit).toBe(60);
    expect(requests?.remaining).toBe(59);
    if (milliseconds === null) expect(requests?.resetMs).toBeNull();
    else expect(requests?.resetMs).toBeCloseTo(milliseconds, 6);
    expect(tokens).toEqual({ limit: null, remaining: 149_984, resetMs: null });
  });

  it('takes what is not there for not said', () => {
    expect(read({})).toEqual({ retryAfterMs: null, requests: null, tokens: null });
  });
});
