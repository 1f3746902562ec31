import { closest, distance } from 'fastest-levenshtein';

/**
 * The candidate that a person most likely meant, or null when none is near: the one with the same letters in
 * another order, or else the one where at most one letter in three differs (one letter in a short word). Upper
 * and lower case count as the same.
 */
export function nearest(written: string, candidates: readonly string[]): string | null {
  const wanted = written.toLowerCase();
  const swapped = candidates.find((candidate) => letters(candidate.toLowerCase()) === letters(wanted));
  if (swapped !== undefined || candidates.length === 0) return swapped ?? null;
  const lowerCase = candidates.map((candidate) => candidate.toLowerCase());
  const best = closest(wanted, lowerCase);
  const allowed = Math.max(1, Math.floor(Math.max(wanted.length, best.length) / 3));
  // A word of which every letter differs is not a misspelling, however short it is.
  const shortest = Math.min(wanted.length, best.length);
  const found = candidates[lowerCase.indexOf(best)];
  return distance(wanted, best) <= Math.min(allowed, shortest - 1) ? (found ?? null) : null;
}

/** `; did you mean text?`, or nothing when no candidate is near; to be put at the end of a message. */
export function didYouMean(written: string, candidates: readonly string[]): string {
  const found = nearest(written, candidates);
  return found === null ? '' : `; did you mean ${found}?`;
}

function letters(word: string): string {
  return word.split('').sort().join('');
}
