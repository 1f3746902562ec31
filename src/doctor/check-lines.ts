import type { CheckResult, CheckStatus } from './check.ts';

const SYMBOLS: Readonly<Record<CheckStatus, string>> = { ok: '✔', warn: '!', fail: '✖', skip: '-' };

const WORD_WIDTH = 4;

/** The report for people: a line for each check, with what to do in the same line. */
export function checkLines(results: readonly CheckResult[], { symbols }: { symbols: boolean }): string[] {
  return results.map(({ status, subject, found, fix }) => {
    const mark = symbols ? SYMBOLS[status] : status.padEnd(WORD_WIDTH);
    return `${mark} ${subject}: ${found}${fix === null ? '' : `. Fix: ${fix}`}`;
  });
}

/** How many came to what, such as `12 ok, 1 warn, 2 skip`; what there is none of is left out. */
export function checkCounts(results: readonly CheckResult[]): string {
  const counts = (['ok', 'warn', 'fail', 'skip'] as const).map((status): [number, CheckStatus] => [
    results.filter((result) => result.status === status).length,
    status,
  ]);
  return counts
    .filter(([count]) => count > 0)
    .map(([count, status]) => `${count} ${status}`)
    .join(', ');
}
