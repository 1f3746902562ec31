import { randomUUID } from 'node:crypto';
import { quoteIdentifier, quoteQualified } from '../../src/db/quote.ts';
import { collectionName } from '../../src/entities/entity.ts';
import type { Entity } from '../../src/entities/entity.ts';
import { hasAccount } from '../../src/credits/read-accounts.ts';
import { TenantCredits } from '../../src/credits/tenant-credits.ts';
import { chunkText } from '../../src/pipeline/chunk-text.ts';
import { noTally } from '../../src/pipeline/target.ts';
import { noCounts } from '../../src/pipeline/counts.ts';
import type { Counts, Failure } from '../../src/pipeline/counts.ts';
import { fingerprintSettings } from '../../src/pipeline/fingerprint.ts';
import { ensureGeneration } from '../../src/pipeline/generation.ts';
import { ownPoints } from '../../src/pipeline/own-points.ts';
import { receiptsFor } from '../../src/pipeline/receipts-for.ts';
import type { Target } from '../../src/pipeline/target.ts';
import { TextEmbedder } from '../../src/pipeline/text-embedder.ts';
import { vectorize, VectorizeFailure } from '../../src/pipeline/vectorize.ts';
import type { VectorizeOptions } from '../../src/pipeline/vectorize.ts';
import type { Database, Queryable } from '../../src/ports/database.ts';
import type { EmbeddingProvider } from '../../src/ports/embedding-provider.ts';
import type { RunEvent } from '../../src/ports/run-events.ts';
import type { Payload, VectorStore } from '../../src/ports/vector-store.ts';
import { reindexCollection } from '../../src/reindex/reindex-collection.ts';
import type { Reindexed, ReindexOptions } from '../../src/reindex/reindex-collection.ts';
import { claimBatch } from '../../src/queue/claim-batch.ts';
import { recordBatch } from '../../src/queue/record-batch.ts';
import type { RowResult } from '../../src/queue/work.ts';
import { loadRows } from '../../src/sources/rows/load-rows.ts';
import type { LoadedRow } from '../../src/sources/rows/load-rows.ts';
import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import type { RowSource } from '../../src/sources/rows/row-source.ts';
import { FakeProvider, fakeVector } from './fake-provider.ts';

export const TEMPLATE = '{{ name }}\n{{ body }}';

/** A declared entity over `vp.<table>` whose rows all belong to whoever asks. */
export function tableEntity(table: string, changes: Partial<Entity> = {}): Entity {
  return {
    name: 'items',
    relation: { kind: 'table', schema: 'vp', name: table },
    keyColumns: ['id'],
    tenantColumn: null,
    labelColumn: null,
    text: TEMPLATE,
    payload: ['tag'],
    chunk: null,
    collection: 'items_{tenant}',
    record: null,
    ...changes,
  };
}

let lastNumber = 0;

/** A table name and tenant that no other test of this process has. */
export function uniqueName(prefix = 't'): string {
  lastNumber += 1;
  return `${prefix}${lastNumber}`;
}

export interface ItemRow {
  id: string;
  name?: string | null;
  body?: string | null;
  tag?: string | null;
  note?: string | null;
}

/** A table `vp.<name>` (id, name, body, tag, note, data): `note` and `data` are what no test entity uses by default. */
export class ItemTable {
  readonly name: string;
  readonly sql: string;
  readonly #database: Queryable;

  private constructor(database: Queryable, name: string) {
    this.#database = database;
    this.name = name;
    this.sql = quoteQualified('vp', name);
  }

  static async create(database: Queryable, rows: readonly ItemRow[] = []): Promise<ItemTable> {
    const table = new ItemTable(database, uniqueName());
    await database.execute(
      `create schema if not exists vp;
       create table ${table.sql} (id text primary key, name text, body text, tag text, note text, data json)`,
    );
    await table.put(...rows);
    return table;
  }

  /** Inserts rows, or replaces them whole. */
  async put(...rows: readonly ItemRow[]): Promise<void> {
    if (rows.length === 0) return;
    await this.#database.query(
      `insert into ${this.sql} (id, name, body, tag, note)
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
       on conflict (id) do update set
         name = excluded.name, body = excluded.body, tag = excluded.tag, note = excluded.note`,
      [
        rows.map(({ id }) => id),
        ...(['name', 'body', 'tag', 'note'] as const).map((column) => rows.map((row) => row[column] ?? null)),
      ],
    );
  }

  async set(
    id: string,
    column: 'name' | 'body' | 'tag' | 'note' | 'data',
    value: string | null,
  ): Promise<void> {
    await this.#database.query(`update ${this.sql} set ${quoteIdentifier(column)} = $2 where id = $1`, [
      id,
      value,
    ]);
  }

  async remove(...ids: readonly string[]): Promise<void> {
    await this.#database.query(`delete from ${this.sql} where id = any ($1::text[])`, [ids]);
  }
}

export interface PipelineContext {
  database: Database;
  store: VectorStore;
}

/** A target as the command makes it. */
export async function openTarget(
  { database, store }: PipelineContext,
  entity: Entity,
  tenant: string,
  given: EmbeddingProvider | TextEmbedder,
  report: (event: RunEvent) => void = () => {},
  { chargesAnyone = false }: { chargesAnyone?: boolean } = {},
): Promise<Target> {
  const unplaced = await openUnplaced(database, entity, tenant, given, { chargesAnyone });
  const collection = collectionName(entity, tenant);
  const generation = await ensureGeneration(database, store, collection, unplaced.settings, { report });
  return { ...unplaced, generation };
}

/** The same without a generation. */
export async function openUnplaced(
  database: Database,
  entity: Entity,
  tenant: string,
  given: EmbeddingProvider | TextEmbedder,
  { chargesAnyone = false }: { chargesAnyone?: boolean } = {},
): Promise<Omit<Target, 'generation'>> {
  const embedder = given instanceof TextEmbedder ? given : new TextEmbedder(given);
  const source = await openRowSource(database, entity, tenant);
  const settings = fingerprintSettings(entity, embedder.provider);
  const { provider } = embedder;
  const { creditsPerMillionTokens } =
    provider instanceof FakeProvider ? provider : { creditsPerMillionTokens: 0 };
  const isCharged = creditsPerMillionTokens > 0 && (chargesAnyone || (await hasAccount(database, tenant)));
  const credits = isCharged
    ? new TenantCredits(database, { creditsPerMillionTokens, leaseMs: 60_000 })
    : null;
  const receipts =
    provider instanceof FakeProvider ? receiptsFor(database, tenant, provider, settings, isCharged) : null;
  return {
    tenant,
    entity: entity.name,
    source,
    embedder,
    receipts,
    credits,
    settings,
    counts: noCounts(),
    tally: noTally(),
  };
}

export const NEVER: AbortSignal = new AbortController().signal;

export function vectorizeOptions(changes: Partial<VectorizeOptions> = {}): VectorizeOptions {
  return {
    runId: randomUUID(),
    batchSize: 10,
    batchesInFlight: 2,
    leaseMs: 60_000,
    limit: null,
    stop: NEVER,
    abort: NEVER,
    queuedOnly: false,
    retryFailed: false,
    refresh: false,
    deleteAll: false,
    ...changes,
  };
}

export interface Outcome {
  failures: readonly Failure[];
  /** What ended the run early, or undefined. */
  error: unknown;
  events: RunEvent[];
  warnings: string[];
  /** Of the first target. */
  counts: Counts;
}

/** One run over ready targets; what it throws is part of what it gives back. */
export async function runTargets(
  context: PipelineContext,
  targets: readonly Target[],
  changes: Partial<VectorizeOptions> = {},
): Promise<Outcome> {
  const events: RunEvent[] = [];
  const outcome = (failures: readonly Failure[], error?: unknown): Outcome => ({
    failures,
    error,
    events,
    warnings: events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
    counts: targets[0]?.counts ?? noCounts(),
  });
  try {
    const report = (event: RunEvent) => void events.push(event);
    return outcome(await vectorize({ ...context, report }, targets, vectorizeOptions(changes)));
  } catch (error) {
    return error instanceof VectorizeFailure ? outcome(error.failures, error.cause) : outcome([], error);
  }
}

/** One run of one entity as the command does it, the opening of the target included. */
export async function run(
  context: PipelineContext,
  entity: Entity,
  tenant: string,
  provider: EmbeddingProvider,
  changes: Partial<VectorizeOptions> = {},
): Promise<Outcome> {
  const events: RunEvent[] = [];
  const target = await openTarget(context, entity, tenant, provider, (event) => void events.push(event));
  const outcome = await runTargets(context, [target], changes);
  const opening = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { ...outcome, warnings: [...opening, ...outcome.warnings] };
}

export interface FoundPoint {
  key: string;
  chunk: number;
  vector: Float32Array;
  payload: Payload;
}

/** The points of one tenant's entity, by key and chunk. */
export async function pointsOf(store: VectorStore, entity: Entity, tenant: string): Promise<FoundPoint[]> {
  const collection = await store.resolveAlias(collectionName(entity, tenant));
  if (collection === null) return [];
  const points: FoundPoint[] = [];
  for (let after: string | undefined; ;) {
    const page = await store.scroll(collection, {
      ...(after === undefined ? {} : { after }),
      limit: 500,
      filter: ownPoints(tenant, entity.name),
      withVectors: true,
    });
    for (const { payload, vector = new Float32Array() } of page) {
      points.push({ key: payload.vecpipe.key, chunk: payload.vecpipe.chunk, vector, payload });
    }
    after = page.at(-1)?.id;
    if (page.length < 500) break;
  }
  return points.toSorted((a, b) => (a.key === b.key ? a.chunk - b.chunk : a.key < b.key ? -1 : 1));
}

export interface QueueRow {
  key: string;
  operation: string;
  version: number;
  attempts: number;
  failed: boolean;
  leased: boolean;
  unconfirmed: boolean;
  code: string | null;
}

/** The queue of one tenant's entity, by key. */
export async function queueOf(database: Queryable, tenant: string, entity = 'items'): Promise<QueueRow[]> {
  const { rows } = await database.query<QueueRow>(
    `select key, operation, version, attempts, available_at = 'infinity' as failed,
       coalesce(lease_until >= now(), false) as leased, unconfirmed, error_code as code
     from vecpipe.queue where tenant = $1 and entity = $2 order by key`,
    [tenant, entity],
  );
  return rows;
}

export interface StateRow {
  key: string;
  chunks: number;
  textHash: string;
}

/** What is recorded as stored for one tenant's entity, by key. */
export async function stateOf(database: Queryable, tenant: string, entity = 'items'): Promise<StateRow[]> {
  const { rows } = await database.query<StateRow>(
    `select key, chunks, text_hash as "textHash" from vecpipe.vector_state
     where tenant = $1 and entity = $2
       and generation_id in (select id from vecpipe.generations where status = 'live') order by key`,
    [tenant, entity],
  );
  return rows;
}

/** True when both point in the same direction; stores keep numbers of four bytes. */
export function sameDirection(one: Float32Array, other: Float32Array): boolean {
  const dot = one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0);
  return one.length === other.length && dot / Math.hypot(...one) / Math.hypot(...other) > 0.99999;
}

/** A live generation that nothing is behind, for what only looks at the database. */
export async function createGeneration(database: Queryable, collection: string): Promise<number> {
  const { rows } = await database.query<{ id: number }>(
    `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
     values ('test', $1, 1, 'print', '{}', 8, 'live') returning id`,
    [collection],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('a generation was to be made');
  return id;
}

/** Does everything that is queued as a worker would, without provider and store. */
export async function settleQueue(
  database: Queryable,
  source: RowSource,
  generationId: number,
  outcomeOf: (row: LoadedRow) => 'stored' | 'failed' = () => 'stored',
): Promise<void> {
  const { tenant } = source;
  const entity = source.entity.name;
  for (;;) {
    const batch = await claimBatch(database, {
      tenant,
      entity,
      runId: randomUUID(),
      limit: 1000,
      leaseMs: 60_000,
    });
    if (batch === null) return;
    const keys = batch.rows.map(({ key }) => key);
    const loaded = await loadRows(database, source, generationId, keys);
    const results = loaded.map((row, index): RowResult => {
      const { key, version } = batch.rows[index] ?? { key: row.key, version: 0 };
      if (row.rowHash === null) return { key, version, outcome: 'deleted' };
      return outcomeOf(row) === 'failed'
        ? { key, version, outcome: 'failed', code: 'test', reason: 'as the test wants', isFinal: true }
        : { ...storedResult(key, version), rowHash: row.rowHash };
    });
    await recordBatch(database, batch, generationId, results);
  }
}

export function storedResult(key: string, version: number) {
  const hashes = { rowHash: '00', textHash: 'text', payloadHash: 'payload' };
  return { key, version, outcome: 'stored', chunks: 1, ...hashes } as const;
}

/** The text of an item as {@link TEMPLATE} renders it. */
export function itemText(row: ItemRow): string {
  return `${row.name ?? ''}\n${row.body ?? ''}`.trim();
}

export interface ReindexOutcome extends Omit<Reindexed, 'generation'> {
  /** Null when it ended with an error. */
  generation: number | null;
  counts: Counts;
  events: RunEvent[];
  error: unknown;
}

/** An item table of one tenant with its provider, run like the command runs it. */
export class Items {
  readonly table: ItemTable;
  readonly tenant: string;
  readonly entity: Entity;
  readonly provider: FakeProvider;
  readonly #context: PipelineContext;

  private constructor(
    context: PipelineContext,
    table: ItemTable,
    tenant: string,
    entity: Entity,
    provider: FakeProvider,
  ) {
    this.#context = context;
    this.table = table;
    this.tenant = tenant;
    this.entity = entity;
    this.provider = provider;
  }

  static async create(
    context: PipelineContext,
    rows: readonly ItemRow[],
    entity: Partial<Entity> & { collection: string },
    provider: FakeProvider = new FakeProvider(),
  ): Promise<Items> {
    const table = await ItemTable.create(context.database, rows);
    return new Items(context, table, uniqueName('tenant'), tableEntity(table.name, entity), provider);
  }

  /** The same rows with another config or provider. */
  with(entity: Partial<Entity>, provider: FakeProvider = this.provider): Items {
    return new Items(this.#context, this.table, this.tenant, { ...this.entity, ...entity }, provider);
  }

  run(changes: Partial<VectorizeOptions> = {}, context: Partial<PipelineContext> = {}): Promise<Outcome> {
    return run({ ...this.#context, ...context }, this.entity, this.tenant, this.provider, changes);
  }

  /** Rebuilds the collection as the command does. */
  async reindex(
    changes: Partial<ReindexOptions> = {},
    context: Partial<PipelineContext> = {},
  ): Promise<ReindexOutcome> {
    const { database, store } = { ...this.#context, ...context };
    const events: RunEvent[] = [];
    const target = await openUnplaced(this.#context.database, this.entity, this.tenant, this.provider);
    const unit = {
      collection: collectionName(this.entity, this.tenant),
      entity: this.entity.name,
      targets: [target],
    };
    const report = (event: RunEvent) => void events.push(event);
    const { counts } = target;
    try {
      const reindexed = await reindexCollection({ database, store, report }, unit, {
        ...vectorizeOptions(changes),
        keepMs: null,
        ...changes,
      });
      return { ...reindexed, counts, events, error: undefined };
    } catch (thrown) {
      const error = thrown instanceof VectorizeFailure ? thrown.cause : thrown;
      const failures = thrown instanceof VectorizeFailure ? [...thrown.failures] : [];
      return { generation: null, isSwapped: false, failures, counts, events, error };
    }
  }

  target(report?: (event: RunEvent) => void): Promise<Target> {
    return openTarget(this.#context, this.entity, this.tenant, this.provider, report);
  }

  points(): Promise<FoundPoint[]> {
    return pointsOf(this.#context.store, this.entity, this.tenant);
  }

  queue(): Promise<QueueRow[]> {
    return queueOf(this.#context.database, this.tenant, this.entity.name);
  }

  state(): Promise<StateRow[]> {
    return stateOf(this.#context.database, this.tenant, this.entity.name);
  }

  /** As if the time of all leases had passed. */
  async expireLeases(on: Queryable = this.#context.database): Promise<void> {
    await on.query(
      `update vecpipe.queue set lease_until = now() - interval '1 second' where tenant = $1 and lease_until is not null`,
      [this.tenant],
    );
  }

  /** What the store holds that it should not, and what it lacks, row by row and chunk by chunk; empty when all is well. */
  async differences(): Promise<string[]> {
    const { rows } = await this.#context.database.query<ItemRow>(
      `select id, name, body, tag from ${this.table.sql}`,
    );
    const { chunk } = this.entity;
    const wanted = new Map<string, { text: string; tag: string | null }>();
    for (const row of rows) {
      const text = itemText(row);
      if (text === '') continue;
      const chunks = chunk === null ? [text] : chunkText(text, this.provider.tokenizer, chunk);
      for (const [index, each] of chunks.entries()) {
        wanted.set(`${row.id}#${index}`, { text: each, tag: row.tag ?? null });
      }
    }
    const problems: string[] = [];
    for (const { key, chunk: number, vector, payload } of await this.points()) {
      const name = `${key}#${number}`;
      const expected = wanted.get(name);
      wanted.delete(name);
      if (!expected) problems.push(`${name} is left over`);
      else if (!sameDirection(vector, fakeVector(expected.text, this.provider.dimensions))) {
        problems.push(`${name} has the vector of another text`);
      } else if (payload['tag'] !== expected.tag) problems.push(`${name} has another payload`);
    }
    return [...problems, ...[...wanted.keys()].map((name) => `${name} is missing`)];
  }
}
