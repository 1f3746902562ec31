/** Zero means that the row is there. */
const NUMBER_TYPES: ReadonlySet<string> = new Set([
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'real',
  'double precision',
]);

/**
 * SQL that is true where a soft-delete column says that its row is gone, and never null: true of a boolean, a number
 * other than zero, and whatever is there of any other type, such as the time of the deletion.
 * @param column quoted, with its alias
 * @param type as `format_type` names it
 */
export function deletedSql(column: string, type: string): string {
  if (type === 'boolean') return `${column} is true`;
  if (NUMBER_TYPES.has(type)) return `coalesce(${column} <> 0, false)`;
  return `${column} is not null`;
}
