/** Names of the well-formed members of a section, in the order of the file; merged ones come last. */
export function namesIn(section: object | null | undefined, written: readonly string[]): string[] {
  return writtenIn(section, written).filter((name) => section && Object.hasOwn(section, name));
}

/** Names of all members of a section, those with problems included, in the order of the file. */
export function writtenIn(section: object | null | undefined, written: readonly string[]): string[] {
  return [...new Set([...written, ...Object.keys(section ?? {})])];
}
