/** Significant digits that a sum of money is shown with below one unit. */
const SIGNIFICANT_DIGITS = 3;

/** An amount for people, in the config's own currency: cents, or as many places as a small sum needs. */
export function formatMoney(amount: number): string {
  if (amount === 0 || amount >= 1) return amount.toFixed(2);
  const decimals = Math.ceil(-Math.log10(amount)) + SIGNIFICANT_DIGITS - 1;
  return amount.toFixed(Math.min(decimals, 20));
}
