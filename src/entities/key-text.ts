/**
 * A key of several columns as one text: the parts joined by `/`, with `~` and `/` inside a part written as
 * `~0` and `~1` (the escapes of JSON Pointer, RFC 6901). A key of one column is its text, unescaped.
 */
export function splitKey(key: string, columns: number): string[] | null {
  if (columns === 1) return [key];
  const parts = key.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  return parts.length === columns ? parts : null;
}

/** The SQL twin of {@link splitKey}: joins column expressions (already quoted) into the key's text. */
export function keyTextSql(columns: readonly string[]): string {
  const [only, ...more] = columns;
  if (only !== undefined && more.length === 0) return `${only}::text`;
  return columns
    .map((column) => `replace(replace(${column}::text, '~', '~0'), '/', '~1')`)
    .join(` || '/' || `);
}
