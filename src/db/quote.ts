/**
 * Quotes a name for use as a Postgres identifier; the only place in vecpipe that does.
 * @throws {RangeError} when the name is empty or holds a NUL character, which no identifier can
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new RangeError('an identifier must not be empty and must not hold a NUL character');
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes `schema.name`, or the name alone when the schema is null and the search path decides. */
export function quoteQualified(schema: string | null, name: string): string {
  return schema === null ? quoteIdentifier(name) : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
