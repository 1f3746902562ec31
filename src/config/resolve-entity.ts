import type { Entity, Relation } from '../entities/entity.ts';
import { DEFAULT_COLLECTION } from '../entities/ready-made.ts';
import type { ConfigPath, Problem } from './problem.ts';
import { parseQualifiedName } from './qualified-name.ts';
import type { RawEntity } from './schema.ts';
import { singleQuery } from './single-query.ts';

const DEFAULT_KEY = 'id';
/** The payload field under which vecpipe keeps what it knows of a point. */
const RESERVED_PAYLOAD_FIELD = 'vecpipe';

export interface EntitySource {
  name: string;
  path: ConfigPath;
  /** What of it is well-formed. */
  raw: RawEntity;
  /** Its keys, malformed ones included. */
  written: readonly string[];
  /** The entity of this name that comes with vecpipe. */
  readyMade: Entity | undefined;
}

/**
 * Completes one entity of the file. A ready-made one changes only by what is given; with a `table` or `query` it
 * reads the user's own rows, whose key and tenant column are then the user's to name. Null when problems leave
 * nothing to build.
 */
export function resolveEntity(source: EntitySource, problems: Problem[]): Entity | null {
  const { name, path, raw, written, readyMade } = source;
  const report = (key: string, message: string) => problems.push({ path: [...path, key], message });
  checkColumns(raw, report);
  if (raw.chunk && (raw.chunk.overlap ?? 0) >= raw.chunk.maxTokens) {
    problems.push({
      path: [...path, 'chunk', 'overlap'],
      message: `must be less than maxTokens (${raw.chunk.maxTokens}), got ${raw.chunk.overlap}`,
    });
  }

  const isOwn = written.includes('table') || written.includes('query');
  if (readyMade && !isOwn) {
    checkReadyMadeColumns(raw, readyMade, report);
    return { ...readyMade, ...changesOf(raw) };
  }
  const relation = relationOf(source, report);
  const text = raw.text ?? readyMade?.text;
  if (text === undefined)
    report('text', 'missing; give the template of the text to embed, such as "{{ title }}"');
  if (relation === null || text === undefined) return null;
  return {
    name,
    labelColumn: readyMade?.labelColumn ?? null,
    payload: readyMade?.payload ?? [],
    chunk: readyMade?.chunk ?? null,
    collection: readyMade?.collection ?? DEFAULT_COLLECTION,
    ...changesOf(raw),
    text,
    relation,
    keyColumns: raw.key === undefined ? [DEFAULT_KEY] : listOf(raw.key),
    tenantColumn: raw.tenant ?? null,
    ...(raw.deleted !== undefined && { deletedColumn: raw.deleted }),
    record: null,
  };
}

type Changeable = Pick<Entity, 'labelColumn' | 'text' | 'payload' | 'chunk' | 'collection'>;

function changesOf(raw: RawEntity): Partial<Changeable> {
  return {
    ...(raw.label !== undefined && { labelColumn: raw.label }),
    ...(raw.text !== undefined && { text: raw.text }),
    ...(raw.payload !== undefined && { payload: raw.payload }),
    ...(raw.chunk !== undefined && {
      chunk: { maxTokens: raw.chunk.maxTokens, overlap: raw.chunk.overlap ?? 0 },
    }),
    ...(raw.collection !== undefined && { collection: raw.collection }),
  };
}

type Report = (key: string, message: string) => void;

function relationOf({ raw, written }: EntitySource, report: Report): Relation | null {
  if (raw.table !== undefined && raw.query !== undefined) {
    report('query', 'an entity has a table or a query, not both');
    return null;
  }
  if (raw.table !== undefined) {
    const parsed = parseQualifiedName(raw.table);
    if (!('problem' in parsed)) return { kind: 'table', ...parsed };
    report('table', parsed.problem);
    return null;
  }
  if (raw.query !== undefined) {
    const parsed = singleQuery(raw.query);
    if (!('problem' in parsed)) return { kind: 'query', sql: parsed.sql };
    report('query', parsed.problem);
    return null;
  }
  // A query that is there but malformed has been reported.
  if (!written.includes('query')) report('table', 'missing; name a table or view here, or give a query');
  return null;
}

function checkColumns(raw: RawEntity, report: Report): void {
  const repeatedKey = raw.key === undefined ? undefined : firstRepeated(listOf(raw.key));
  if (repeatedKey !== undefined) report('key', `names the column ${JSON.stringify(repeatedKey)} twice`);
  const repeatedField = firstRepeated(raw.payload ?? []);
  if (repeatedField !== undefined)
    report('payload', `names the column ${JSON.stringify(repeatedField)} twice`);
  if (raw.payload?.includes(RESERVED_PAYLOAD_FIELD)) {
    report(
      'payload',
      `the field ${RESERVED_PAYLOAD_FIELD} is taken: every point keeps its identity there; rename the column in a query`,
    );
  }
}

/** The tables of ready-made entities are vecpipe's own and have the one key they were created with. */
function checkReadyMadeColumns(raw: RawEntity, readyMade: Entity, report: Report): void {
  if (raw.key !== undefined && listOf(raw.key).join('\0') !== readyMade.keyColumns.join('\0')) {
    report(
      'key',
      `the ready-made table has the key ${readyMade.keyColumns.join(', ')}; give a table or query of your own to choose another`,
    );
  }
  if (raw.tenant !== undefined && raw.tenant !== readyMade.tenantColumn) {
    report(
      'tenant',
      `the ready-made table has the tenant column ${readyMade.tenantColumn}; give a table or query of your own to choose another`,
    );
  }
  if (raw.deleted !== undefined) {
    report(
      'deleted',
      'the ready-made table has no such column; a record with `"deleted": true` deletes its row, and a table or query of your own may name a column',
    );
  }
}

function listOf(key: string | readonly string[]): readonly string[] {
  return typeof key === 'string' ? [key] : key;
}

function firstRepeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}
