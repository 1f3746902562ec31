/** Where an entity's rows are read from. */
export type Relation =
  | { kind: 'table'; schema: string | null; name: string }
  /** A single SELECT of the user's own. */
  | { kind: 'query'; sql: string };

export interface Chunking {
  maxTokens: number;
  /** Tokens that the end of one chunk and the start of the next have in common. */
  overlap: number;
}

/** A kind of row, complete: ready-made ones with the config's changes applied, declared ones as declared. */
export interface Entity {
  name: string;
  relation: Relation;
  /** In the order that makes up the key. */
  keyColumns: readonly string[];
  /** Null when every row belongs to the one tenant of the config. */
  tenantColumn: string | null;
  /** A row in which it is set counts as gone (see `deletedSql`); left out: every row is there. */
  deletedColumn?: string;
  /** Null when the key is the label. */
  labelColumn: string | null;
  /** Liquid template of the rendered text. */
  text: string;
  /** Columns copied to the top level of a point's payload. */
  payload: readonly string[];
  /** Null means one point a row, unless the text is longer than the model takes. */
  chunk: Chunking | null;
  /** Name of the collection with `{tenant}` and `{entity}` still in it. */
  collection: string;
  /** Fields of the records that `sync --from` accepts; null when the table is the user's own. */
  record: RecordShape | null;
}

export interface RecordField {
  name: string;
  type: 'text' | 'integer' | 'timestamp';
  required: boolean;
}

/** `id` (text or number) is always there, required, and not listed. */
export type RecordShape = readonly RecordField[];

/** The alias under which readers find an entity's points. */
export function collectionName(entity: Entity, tenant: string): string {
  return entity.collection.replaceAll('{tenant}', tenant).replaceAll('{entity}', entity.name);
}
