import { quoteIdentifier, quoteQualified } from '../../db/quote.ts';
import type { Entity, Relation } from '../../entities/entity.ts';
import { keyTextSql } from '../../entities/key-text.ts';
import { compileTemplate, TemplateSyntaxError } from '../../entities/template.ts';
import type { RowTemplate } from '../../entities/template.ts';
import { jsonHash } from '../../util/hash.ts';
import { nearest } from '../../util/did-you-mean.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { DatabaseError } from '../../ports/database.ts';
import type { CallOptions, Column, Database, Queryable } from '../../ports/database.ts';
import { deletedSql } from './deleted-sql.ts';
import type { RowSource } from './row-source.ts';

/**
 * JavaScript numbers hold neither every bigint nor every numeric, so both, and lists of them, cross the wire as
 * text: what to cast them to, by type oid.
 */
const EXACT_CASTS: ReadonlyMap<number, string> = new Map([
  [20, 'text'],
  [1700, 'text'],
  [1016, 'text[]'],
  [1231, 'text[]'],
]);

/**
 * Looks at the entity's relation, checks that every column the config names exists, and prepares the SQL to
 * read it.
 * @throws {VecpipeError} `usage` naming the config entry when the relation or a column is missing, the query is
 *   refused, or the tenant does not fit the tenant column
 */
export async function openRowSource(
  database: Database,
  entity: Entity,
  tenant: string,
  options: CallOptions = {},
): Promise<RowSource> {
  const description = describe(entity);
  const template = templateOf(entity);
  const from = `${fromSql(entity.relation)} as s`;
  const columns = await readColumns(database, entity, from, description, options);
  const used = [
    ...new Set([...template.columns, ...entity.payload, ...optional(entity.labelColumn)]),
  ].toSorted();
  checkColumns(entity, columns, used, description);
  const types = await typeNames(database, [...columns.values()], options);
  const typeOf = (name: string) => types.get(columns.get(name) ?? 0) ?? 'text';

  await checkTenant(database, entity, tenant, typeOf, description, options);
  const castOf = (name: string) => EXACT_CASTS.get(columns.get(name) ?? 0);
  const { deletedColumn } = entity;
  const presentSql =
    deletedColumn === undefined
      ? 'true'
      : `not (${deletedSql(aliased(deletedColumn), typeOf(deletedColumn))})`;
  const tenantSql =
    entity.tenantColumn === null
      ? '$1::text is not null'
      : `${aliased(entity.tenantColumn)} = $1::text::${typeOf(entity.tenantColumn)}`;
  const named = [...used, ...entity.keyColumns, ...optional(entity.tenantColumn), ...optional(deletedColumn)];
  return {
    entity,
    tenant,
    template,
    description,
    from,
    tenantCondition: deletedColumn === undefined ? tenantSql : `(${tenantSql} and ${presentSql})`,
    presentSql,
    keySql: keyTextSql(entity.keyColumns.map((name) => aliased(name))),
    hashSql: hashSql(used, jsonHash([entity.payload, entity.labelColumn])),
    rowSql: rowSql(used, castOf),
    keyColumns: entity.keyColumns.map((name) => ({ sql: aliased(name), type: typeOf(name) })),
    columnTypes: new Map([...new Set(named)].toSorted().map((name) => [name, typeOf(name)])),
    decimalColumns: used.filter((name) => castOf(name) !== undefined),
  };
}

function describe(entity: Entity): string {
  const { relation, name } = entity;
  if (relation.kind === 'query') return `the query of entities.${name}`;
  return `table ${relation.schema === null ? '' : `${relation.schema}.`}${relation.name} (entities.${name})`;
}

function templateOf(entity: Entity): RowTemplate {
  try {
    return compileTemplate(entity.text);
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    throw usageError('template_invalid', `entities.${entity.name}.text: ${error.message}`, undefined, error);
  }
}

function fromSql(relation: Relation): string {
  return relation.kind === 'table' ? quoteQualified(relation.schema, relation.name) : `(${relation.sql}\n)`;
}

function aliased(column: string): string {
  return `s.${quoteIdentifier(column)}`;
}

function optional(column: string | null | undefined): string[] {
  return column === null || column === undefined ? [] : [column];
}

/** Two seeds of a 64-bit hash: a third of the cost of md5, and there where md5 is forbidden (docs/decisions). */
function hashSql(columns: readonly string[], settingsHash: string): string {
  // What is done with the columns counts as well: one that only moves into the payload changes no value.
  const row = `row(${[`'${settingsHash}'`, ...columns.map((name) => aliased(name))].join(', ')})::text`;
  return `(int8send(hashtextextended(${row}, 0)) || int8send(hashtextextended(${row}, 1)))`;
}

function rowSql(columns: readonly string[], castOf: (column: string) => string | undefined): string {
  const list = columns.map((name) => {
    const cast = castOf(name);
    return `${aliased(name)}${cast === undefined ? '' : `::${cast}`} as ${quoteIdentifier(name)}`;
  });
  return list.length === 0
    ? `'{}'::text`
    : `(select row_to_json(d.*)::text from (select ${list.join(', ')}) d)`;
}

async function readColumns(
  database: Queryable,
  entity: Entity,
  from: string,
  description: string,
  options: CallOptions,
): Promise<Map<string, number>> {
  const columns = await database
    .query(`select s.* from ${from} limit 0`, [], options)
    .then((result): Column[] => result.columns)
    .catch((error: unknown) => {
      throw error instanceof DatabaseError ? relationError(error, entity, description) : error;
    });
  const byName = new Map(columns.map((column) => [column.name, column.typeId]));
  if (byName.size < columns.length) {
    const names = columns.map((column) => column.name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    throw usageError(
      'column_ambiguous',
      `${description} gives two columns named ${twice}`,
      'name one of them with `as`',
    );
  }
  return byName;
}

function relationError(error: DatabaseError, entity: Entity, description: string): unknown {
  switch (error.sqlState) {
    case '42P01':
    case '3F000':
      return entity.relation.kind === 'table'
        ? usageError(
            'relation_missing',
            `${description} does not exist in the database`,
            'create it, or correct `table:` in the config',
            error,
          )
        : usageError(
            'query_refused',
            `${description} is refused: ${error.message}`,
            'correct `query:` in the config',
            error,
          );
    case '42501':
      return usageError(
        'relation_forbidden',
        `${description} may not be read by this database user`,
        'grant select on it',
        error,
      );
    default:
      return entity.relation.kind === 'query'
        ? usageError(
            'query_refused',
            `${description} is refused: ${error.message}`,
            'correct `query:` in the config',
            error,
          )
        : usageError(
            'relation_refused',
            `${description} cannot be read: ${error.message}`,
            'name a table or view with `table:` in the config',
            error,
          );
  }
}

function checkColumns(
  entity: Entity,
  columns: ReadonlyMap<string, number>,
  used: readonly string[],
  description: string,
): void {
  const wanted: [string, readonly string[]][] = [
    ['key', entity.keyColumns],
    ['tenant', optional(entity.tenantColumn)],
    ['deleted', optional(entity.deletedColumn)],
    ['label', optional(entity.labelColumn)],
    ['payload', entity.payload],
    ['text', used],
  ];
  for (const [setting, names] of wanted) {
    const missing = names.find((name) => !columns.has(name));
    if (missing === undefined) continue;
    throw usageError(
      'column_missing',
      `${description} has no column ${missing}, which entities.${entity.name}.${setting} names`,
      suggestion(missing, [...columns.keys()]),
    );
  }
}

function suggestion(name: string, columns: readonly string[]): string {
  const found = nearest(name, columns);
  return found === null ? `its columns are ${columns.join(', ')}` : `did you mean ${found}?`;
}

/** Type names that a bound text can be cast to; the modifier -1 keeps `bpchar` from meaning `character(1)`. */
async function typeNames(
  database: Queryable,
  typeIds: readonly number[],
  options: CallOptions,
): Promise<Map<number, string>> {
  const { rows } = await database.query<{ id: number; name: string }>(
    `select oid::int8 as id, format_type(oid, -1) as name from pg_catalog.pg_type where oid = any ($1::int8[])`,
    [[...new Set(typeIds)]],
    options,
  );
  return new Map(rows.map((row) => [row.id, row.name]));
}

async function checkTenant(
  database: Queryable,
  entity: Entity,
  tenant: string,
  typeOf: (column: string) => string,
  description: string,
  options: CallOptions,
): Promise<void> {
  if (entity.tenantColumn === null) return;
  const type = typeOf(entity.tenantColumn);
  const same = await database
    .query<{ same: boolean }>(`select ($1::text::${type})::text = $1::text as same`, [tenant], options)
    .then(({ rows }) => rows[0]?.same === true)
    .catch((error: unknown) => {
      if (error instanceof DatabaseError) return false;
      throw error;
    });
  if (!same) {
    throw usageError(
      'tenant_type',
      `tenant ${tenant} is not a value of column ${entity.tenantColumn} (${type}) of ${description}`,
      'write the tenant as the column holds it',
    );
  }
}
