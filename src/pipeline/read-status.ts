import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { readBacklog } from '../queue/backlog.ts';
import { HAS_FAILED } from '../queue/failed-sql.ts';
import { sourceError } from '../sources/rows/source-error.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { findGenerationId } from './generation.ts';
import { ownPoints } from './own-points.ts';
import { recordedPoints } from './recorded-points.ts';

export interface EntityStatus {
  tenant: string;
  entity: string;
  collection: string;
  /** Rows in the source. */
  rows: number;
  /** Rows that are recorded as stored, those without text included. */
  stored: number;
  /** Points that should be in the store. */
  recordedPoints: number;
  /** Points that are; null when there is no collection. */
  points: number | null;
  pending: number;
  leased: number;
  failed: number;
  failures: { code: string; rows: number; example: string }[];
}

export async function readStatus(
  database: Database,
  store: VectorStore,
  source: RowSource,
  collection: string,
  options: CallOptions,
): Promise<EntityStatus> {
  const { tenant } = source;
  const entity = source.entity.name;
  const generationId = await findGenerationId(database, store.location, collection, options);
  const physical = await store.resolveAlias(collection, options);
  const backlog = await readBacklog(database, tenant, entity, options);
  return {
    tenant,
    entity,
    collection,
    rows: await countRows(database, source, options),
    stored: generationId === null ? 0 : await countStored(database, generationId, tenant, entity, options),
    recordedPoints:
      generationId === null ? 0 : await recordedPoints(database, generationId, tenant, entity, options),
    points:
      physical === null
        ? null
        : await store.count(physical, { ...options, filter: ownPoints(tenant, entity) }),
    pending: backlog.pending,
    leased: backlog.leased,
    failed: backlog.failed,
    failures: await readFailureCauses(database, tenant, entity, options),
  };
}

async function countRows(database: Queryable, source: RowSource, options: CallOptions): Promise<number> {
  const { rows } = await database
    .query<{ rows: number }>(
      `select count(*) as rows from ${source.from} where ${source.tenantCondition}`,
      [source.tenant],
      options,
    )
    .catch((error: unknown) => {
      throw sourceError(error, source);
    });
  return rows[0]?.rows ?? 0;
}

async function countStored(
  database: Queryable,
  generationId: number,
  tenant: string,
  entity: string,
  options: CallOptions,
): Promise<number> {
  const { rows } = await database.query<{ stored: number }>(
    `select count(*) as stored from vecpipe.vector_state where generation_id = $1 and tenant = $2 and entity = $3`,
    [generationId, tenant, entity],
    options,
  );
  return rows[0]?.stored ?? 0;
}

async function readFailureCauses(
  database: Queryable,
  tenant: string,
  entity: string,
  options: CallOptions,
): Promise<EntityStatus['failures']> {
  const { rows } = await database.query<EntityStatus['failures'][number]>(
    `select coalesce(error_code, 'unknown') as code, count(*) as rows, min(key) as example from vecpipe.queue q
    where tenant = $1 and entity = $2 and building = 0 and ${HAS_FAILED}
    group by 1 order by 2 desc, 1`,
    [tenant, entity],
    options,
  );
  return rows;
}
