import type { CallOptions, Queryable } from '../ports/database.ts';
import { fail, ok, warn } from './check.ts';
import type { Finding } from './check.ts';

const NAMED_TABLES = 3;

/** What the database user may do where vecpipe keeps its tables. */
export interface Rights {
  mayCreateSchema: boolean;
  /** Null while there is no schema `vecpipe`. */
  schema: { mayUse: boolean; mayCreate: boolean; unwritable: string[]; foreign: string[] } | null;
}

export interface RightsNeeded {
  /** A migration is to come. */
  isBehind: boolean;
  /** Collections are tables in the schema. */
  makesTables: boolean;
}

export async function readRights(database: Queryable, options: CallOptions): Promise<Rights> {
  const { rows } = await database.query<{
    mayCreateSchema: boolean;
    mayUse: boolean | null;
    mayCreate: boolean;
  }>(
    `select has_database_privilege(current_database(), 'CREATE') as "mayCreateSchema",
            has_schema_privilege(s.id, 'USAGE') as "mayUse", has_schema_privilege(s.id, 'CREATE') as "mayCreate"
     from (select to_regnamespace('vecpipe')::oid as id) s`,
    [],
    options,
  );
  const { mayCreateSchema = false, mayUse = null, mayCreate = false } = rows[0] ?? {};
  if (mayUse === null) return { mayCreateSchema, schema: null };
  const { rows: tables } = await database.query<{ name: string; mayWrite: boolean; isOwn: boolean }>(
    `select relname as name, pg_has_role(relowner, 'USAGE') as "isOwn",
            has_table_privilege(oid, 'SELECT') and has_table_privilege(oid, 'INSERT')
              and has_table_privilege(oid, 'UPDATE') and has_table_privilege(oid, 'DELETE') as "mayWrite"
     from pg_catalog.pg_class
     where relnamespace = to_regnamespace('vecpipe')::oid and relkind in ('r', 'p')
     order by relname`,
    [],
    options,
  );
  const namesOf = (is: (table: { mayWrite: boolean; isOwn: boolean }) => boolean) =>
    tables.filter((table) => is(table)).map(({ name }) => name);
  return {
    mayCreateSchema,
    schema: {
      mayUse,
      mayCreate,
      unwritable: namesOf(({ mayWrite }) => !mayWrite),
      foreign: namesOf(({ isOwn }) => !isOwn),
    },
  };
}

export function judgeRights({ mayCreateSchema, schema }: Rights, needed: RightsNeeded): Finding {
  if (schema === null) {
    return mayCreateSchema
      ? ok('the user may make the schema vecpipe')
      : fail(
          'there is no schema vecpipe, and the user may not make it',
          'as the owner of the database: GRANT CREATE ON DATABASE <database> TO <user>',
        );
  }
  const { mayUse, mayCreate, unwritable, foreign } = schema;
  const grantSchema = 'as the owner of the schema: GRANT USAGE, CREATE ON SCHEMA vecpipe TO <user>';
  if (!mayUse) return fail('the user may not use the schema vecpipe', grantSchema);
  if (unwritable.length > 0) {
    return fail(
      `the user may not read and write ${named(unwritable)}`,
      'as the owner of the tables: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vecpipe TO <user>',
    );
  }
  if (needed.isBehind && foreign.length > 0) {
    return fail(
      `another user owns ${named(foreign)}, so this one cannot bring the tables up to date`,
      'run `vecpipe init` once as that user',
    );
  }
  if (mayCreate) return ok('the user may write to the schema vecpipe');
  const found = 'the user may not make tables in the schema vecpipe';
  if (needed.isBehind || needed.makesTables) return fail(found, grantSchema);
  return warn(`${found}, which the next version of vecpipe may need`, grantSchema);
}

function named(tables: readonly string[]): string {
  const names = tables.slice(0, NAMED_TABLES).map((name) => `vecpipe.${name}`);
  const more = tables.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more tables` : '');
}
