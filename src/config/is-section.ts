/** A group of keys with values, as opposed to a list or a scalar. */
export function isSection(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
