import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { HAS_FAILED } from '../queue/failed-sql.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { chunksOf } from './chunks-of.ts';
import { effectiveChunking } from './fingerprint.ts';
import { findGenerationId } from './generation.ts';
import { pointId } from './point-id.ts';
import { prepareRow } from './prepare-row.ts';

export interface RowExplanation {
  tenant: string;
  entity: string;
  key: string;
  collection: string;
  /** Null when the source has no such row. */
  row: {
    label: string;
    text: string;
    tokens: number;
    textHash: string;
    rowHash: string;
    payload: Record<string, unknown>;
    chunks: { pointId: string; tokens: number }[];
  } | null;
  /** Why the row cannot be rendered, or null. */
  problem: string | null;
  /** What is recorded as stored, or null. */
  state: { textHash: string; chunks: number; storedAt: Date } | null;
  /** Ids of the row's points that the store has. */
  storedPoints: string[];
  queue: {
    operation: string;
    version: number;
    attempts: number;
    leased: boolean;
    failed: boolean;
    /** When a failed row is tried again by itself; null when it is not. */
    nextTryAt: Date | null;
    code: string | null;
    error: string | null;
  } | null;
}

/** Everything that is known about one row. @returns null when nobody knows the key */
export async function explainRow(
  database: Database,
  store: VectorStore,
  provider: EmbeddingProvider,
  source: RowSource,
  collection: string,
  key: string,
  options: CallOptions,
): Promise<RowExplanation | null> {
  const { tenant } = source;
  const entity = source.entity.name;
  const generationId = await findGenerationId(database, store.location, collection, options);
  const [loaded] = await loadRows(database, source, generationId, [key], options);
  const state = await readState(database, generationId, tenant, entity, key, options);
  const queue = await readQueueRow(database, tenant, entity, key, options);
  if (!loaded || (loaded.values === null && state === null && queue === null)) return null;

  const claimed = { key, operation: 'upsert', version: 1, attempts: 1, unconfirmed: true } as const;
  const decision = prepareRow(source, claimed, loaded);
  const row = 'row' in decision ? decision.row : null;
  const chunking = effectiveChunking(source.entity, provider);
  const texts = row === null ? [] : chunksOf(row.text, provider.tokenizer, chunking);
  const chunks = texts.map((text, chunk) => ({
    pointId: pointId(tenant, entity, key, chunk),
    tokens: provider.tokenizer.count(text),
  }));
  const expected = Array.from({ length: Math.max(chunks.length, state?.chunks ?? 0) }, (_each, chunk) =>
    pointId(tenant, entity, key, chunk),
  );
  const physical = await store.resolveAlias(collection, options);
  const stored =
    physical === null || expected.length === 0 ? [] : await store.retrieve(physical, expected, options);
  return {
    tenant,
    entity,
    key,
    collection,
    row: row && {
      label: row.label,
      text: row.text,
      tokens: provider.tokenizer.count(row.text),
      textHash: row.textHash,
      rowHash: row.rowHash,
      payload: row.fields,
      chunks,
    },
    problem: decision.action === 'fail' ? decision.reason : null,
    state,
    storedPoints: stored.map((point) => point.id),
    queue,
  };
}

async function readState(
  database: Queryable,
  generationId: number | null,
  tenant: string,
  entity: string,
  key: string,
  options: CallOptions,
): Promise<RowExplanation['state']> {
  const { rows } = await database.query<NonNullable<RowExplanation['state']>>(
    `select text_hash as "textHash", chunks, stored_at as "storedAt" from vecpipe.vector_state
    where generation_id = $1::int8 and tenant = $2 and entity = $3 and key = $4`,
    [generationId, tenant, entity, key],
    options,
  );
  return rows[0] ?? null;
}

async function readQueueRow(
  database: Queryable,
  tenant: string,
  entity: string,
  key: string,
  options: CallOptions,
): Promise<RowExplanation['queue']> {
  const { rows } = await database.query<NonNullable<RowExplanation['queue']>>(
    `select operation, version, attempts, coalesce(lease_until >= now(), false) as leased,
      ${HAS_FAILED} as failed,
      case when ${HAS_FAILED} and available_at < 'infinity' then available_at end as "nextTryAt", error_code as code, error
    from vecpipe.queue q where tenant = $1 and entity = $2 and building = 0 and key = $3`,
    [tenant, entity, key],
    options,
  );
  return rows[0] ?? null;
}
