import { quoteIdentifier, quoteQualified } from '../../db/quote.ts';
import { isVersionFrom } from './pgvector-extension.ts';

/** A physical collection as the catalogue has it, with the pgvector that serves it. */
export interface PointsTable {
  id: number;
  dimensions: number;
  /** Schema that pgvector was installed in; it need not be on the search path. */
  extensionSchema: string;
  /** Such as `0.8.1`. */
  extensionVersion: string;
  /** Whether the index that `finishLoad` builds is there. */
  indexed: boolean;
}

/** Dimensions that pgvector's HNSW takes, https://github.com/pgvector/pgvector#hnsw */
const MAX_INDEXED_DIMENSIONS = 2000;
/** The same in half precision. */
const MAX_HALF_INDEXED_DIMENSIONS = 4000;
/** Dimensions that a column of type `vector` takes. */
export const MAX_DIMENSIONS = 16_000;

const SCHEMA = 'vecpipe';

export function tableName(id: number): string {
  return quoteQualified(SCHEMA, `points_${id}`);
}

export function indexName(id: number): string {
  return `points_${id}_embedding`;
}

/** A type, operator or operator class of pgvector, wherever it was installed. */
export function vectorType(table: Pick<PointsTable, 'extensionSchema'>, name: 'vector' | 'halfvec'): string {
  return quoteQualified(table.extensionSchema, name);
}

export function cosineDistance(table: Pick<PointsTable, 'extensionSchema'>): string {
  return `operator(${quoteIdentifier(table.extensionSchema)}.<=>)`;
}

/** How the vectors of a table can be searched through an index; null where only an exact search is possible. */
export function indexedAs(table: Pick<PointsTable, 'dimensions'>): 'vector' | 'halfvec' | null {
  if (table.dimensions <= MAX_INDEXED_DIMENSIONS) return 'vector';
  return table.dimensions <= MAX_HALF_INDEXED_DIMENSIONS ? 'halfvec' : null;
}

/** What is put in the index for each row. */
export function indexedExpression(table: Pick<PointsTable, 'dimensions' | 'extensionSchema'>): string {
  return indexedAs(table) === 'halfvec'
    ? `(embedding::${vectorType(table, 'halfvec')}(${table.dimensions}))`
    : 'embedding';
}

/** The second index leads `deleteChunks` to its rows and filtered searches to a tenant's. */
export function createTableScript(table: Pick<PointsTable, 'id' | 'dimensions' | 'extensionSchema'>): string {
  return `
    create table ${tableName(table.id)} (
      id uuid primary key,
      tenant text not null,
      entity text not null,
      key text not null,
      chunk integer not null,
      payload jsonb not null,
      embedding ${vectorType(table, 'vector')}(${table.dimensions}) not null
    );
    create index on ${tableName(table.id)} (tenant, entity, key, chunk);`;
}

export function createIndexScript(table: PointsTable): string {
  const operators = quoteQualified(table.extensionSchema, `${indexedAs(table)}_cosine_ops`);
  return `
    create index ${quoteIdentifier(indexName(table.id))} on ${tableName(table.id)}
      using hnsw (${indexedExpression(table)} ${operators});
    analyze ${tableName(table.id)};`;
}

/** Whether pgvector goes on through the index when a filter leaves too few rows (since 0.8). */
export function hasIterativeScan(table: Pick<PointsTable, 'extensionVersion'>): boolean {
  return isVersionFrom(table.extensionVersion, 0, 8);
}

/** Half precision came with 0.7. */
export function canIndex(table: PointsTable): boolean {
  const as = indexedAs(table);
  return as === 'vector' || (as === 'halfvec' && isVersionFrom(table.extensionVersion, 0, 7));
}
