/** Charges add up in millionths of a credit, so that what one batch rounds is less than a credit. */
export const MICROS_PER_CREDIT = 1_000_000;

/** Millionths of a credit for so many tokens. */
export function creditMicros(tokens: number, creditsPerMillionTokens: number): number {
  return Math.round(tokens * creditsPerMillionTokens);
}

/** Whole credits that cover them. */
export function wholeCredits(micros: number): number {
  return Math.ceil(micros / MICROS_PER_CREDIT);
}

/**
 * Divides an amount in proportion to the weights, in whole millionths, so that the parts sum up to it exactly.
 * @param weights at least one; all zero counts as all equal
 */
export function shareOut(micros: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let given = 0;
  let weightSoFar = 0;
  return weights.map((weight, index) => {
    weightSoFar += weight;
    const upTo = Math.round(micros * (total > 0 ? weightSoFar / total : (index + 1) / weights.length));
    const part = upTo - given;
    given = upTo;
    return part;
  });
}
