import type { CallOptions, Queryable } from '../ports/database.ts';
import type { Entity } from '../entities/entity.ts';
import type { RowSource } from '../sources/rows/row-source.ts';

/** Of these, two values are equal exactly when their texts are. */
const TENANT_TYPES: ReadonlySet<string> = new Set([
  'smallint',
  'integer',
  'bigint',
  'text',
  'character varying',
  'character',
  'bpchar',
  'name',
  'uuid',
  'boolean',
  'date',
]);

/** What stands against triggers, from the config alone. @returns a sentence, or null */
export function refuseEntity({ name, relation, record }: Entity): string | null {
  if (record !== null)
    return `${name} is written by vecpipe itself, which queues what it changes without triggers`;
  if (relation.kind === 'query') return `${name} is read by a query, and only tables can have triggers`;
  return null;
}

const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  p: 'a partitioned table, into whose partitions rows can be written past its triggers',
};

/**
 * What stands against triggers on the table itself, where they would not tell everything that changes.
 * @returns a sentence, or null
 */
export async function refuseTable(
  database: Queryable,
  source: RowSource,
  table: string,
  options: CallOptions = {},
): Promise<string | null> {
  const { description, entity, columnTypes } = source;
  const { rows } = await database.query<{
    kind: string;
    isPartition: boolean;
    isParent: boolean;
    isChild: boolean;
    computed: string | null;
    folding: boolean;
  }>(
    `select c.relkind::text as kind, c.relispartition as "isPartition",
      exists (select from pg_catalog.pg_inherits where inhparent = c.oid) as "isParent",
      exists (select from pg_catalog.pg_inherits where inhrelid = c.oid) as "isChild",
      (select min(attname::text) from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attgenerated = 'v' and a.attname = any ($2::text[])) as computed,
      exists (
        select from pg_catalog.pg_attribute a
        join pg_catalog.pg_collation l on l.oid = a.attcollation
        where a.attrelid = c.oid and a.attname = $3 and not l.collisdeterministic
      ) as folding
    from pg_catalog.pg_class c where c.oid = to_regclass($1)`,
    [table, [...columnTypes.keys()], entity.tenantColumn],
    options,
  );
  const [found] = rows;
  if (!found) return `${description} is not a table`;
  const kind = KINDS[found.kind];
  if (kind !== undefined) return `${description} is ${kind}`;
  if (found.isPartition)
    return `${description} is a partition, into which rows can be written past its triggers`;
  if (found.isParent)
    return `${description} has tables that inherit from it, into which rows can be written past its triggers`;
  if (found.isChild)
    return `${description} inherits from a table through which its rows can be changed past its triggers`;
  if (found.computed !== null)
    return `${description} has the virtual column ${found.computed}, which triggers cannot read`;
  const type = entity.tenantColumn === null ? undefined : columnTypes.get(entity.tenantColumn);
  if (type !== undefined && (found.folding || !TENANT_TYPES.has(type)))
    return `the tenant column ${entity.tenantColumn} of ${description} has a type (${found.folding ? `${type} with a collation in which different texts are equal` : type}) of which triggers cannot tell the tenant`;
  return null;
}
