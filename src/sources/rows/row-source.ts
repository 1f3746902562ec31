import type { Entity } from '../../entities/entity.ts';
import type { RowTemplate } from '../../entities/template.ts';

/**
 * An entity's rows of one tenant in one database, with its columns checked. The SQL pieces read from the
 * relation under the alias `s`; `tenantCondition` needs the tenant bound as `$1`.
 */
export interface RowSource {
  readonly entity: Entity;
  readonly tenant: string;
  readonly template: RowTemplate;
  /** What to call the relation in a message: `table public.projects (entities.projects)`. */
  readonly description: string;
  /** Goes behind `from`. */
  readonly from: string;
  readonly tenantCondition: string;
  /** True for a row that is there, whatever its tenant; part of `tenantCondition`. */
  readonly presentSql: string;
  /** The key as text; null when a part of it is. */
  readonly keySql: string;
  /** 16 bytes over every column that the text, payload or label is made of. */
  readonly hashSql: string;
  /** Those columns as one JSON object's text. */
  readonly rowSql: string;
  readonly keyColumns: readonly KeyColumn[];
  /** The type of every column that the config names, by the column's name. */
  readonly columnTypes: ReadonlyMap<string, string>;
  /** Columns that come as exact decimal text and become numbers where that loses nothing. */
  readonly decimalColumns: readonly string[];
}

export interface KeyColumn {
  /** Quoted, with the alias. */
  sql: string;
  /** Type to cast a bound text to. */
  type: string;
}
