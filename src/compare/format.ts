/** Stands where there is nothing to measure. */
const NONE = '-';

/** A share from 0 to 1, as `45 %`. */
export function share(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : `${Math.round(value * 100)} %`;
}

export function decimal(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? NONE : value.toFixed(digits);
}

/** Small numbers keep so many digits, large ones are rounded to whole numbers; never an exponent. */
export function significant(value: number | null, digits: number): string {
  if (value === null) return NONE;
  if (value >= 10 ** digits) return String(Math.round(value));
  return new Intl.NumberFormat('en', { maximumSignificantDigits: digits, useGrouping: false }).format(value);
}

export function queryCount(count: number, from: 'labels' | 'file'): string {
  if (from === 'labels') return count === 1 ? '1 label as query' : `${count} labels as queries`;
  return count === 1 ? '1 query' : `${count} queries`;
}

export function neighbours(count: number): string {
  return count === 1 ? '1 neighbour' : `${count} neighbours`;
}
