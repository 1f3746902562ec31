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

/**
 * Quotes a text for use as a literal where no value can be bound, such as in the body of a function. The same under
 * either setting of `standard_conforming_strings`.
 * @throws {RangeError} when it holds a NUL character, which no text in Postgres can
 */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new RangeError('a text must not hold a NUL character');
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
