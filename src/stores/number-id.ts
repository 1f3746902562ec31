/** Whether a point's id is a number, in decimal digits, and not a UUID. */
export function isNumberId(id: string): boolean {
  return /^\d+$/.test(id);
}

/** The ids without those that are numbers. */
export function uuidsOf(ids: readonly string[]): string[] {
  return ids.filter((id) => !isNumberId(id));
}
