import type { CallOptions, Database } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { Report } from '../ports/run-events.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { changedSettings } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import { recordedPoints } from '../pipeline/recorded-points.ts';
import { readBacklog } from '../queue/backlog.ts';
import type { DifferingRow } from '../sources/rows/differing-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { aboutCollection, checkNames, readStoreNames } from './check-names.ts';
import type { PointJudge } from './confirm-points.ts';
import type { Confirmed } from './finding.ts';
import { GenerationMovedError, recordedTenants } from './recorded-rows.ts';
import { RowDifferences } from './row-differences.ts';
import { sampleVectors } from './sample-vectors.ts';
import { SpilledList } from './spilled-list.ts';
import { knownGenerations, templateOf } from './unit.ts';
import type { Unit } from './unit.ts';
import { verifyPoints } from './verify-points.ts';
import type { GenerationRecord } from '../reindex/generation-records.ts';

export interface VerifyContext {
  database: Database;
  store: VectorStore;
  report: Report;
}

export interface VerifyOptions extends CallOptions {
  isFast: boolean;
  withVectors: boolean;
  /** Rows of each tenant to embed anew; 0 for none. */
  sample: number;
  seed: number;
  /** The tenant's provider, with what the config wants of a generation; null where it cannot be had, which was said. */
  providerOf: (
    unit: Unit,
    tenant: string,
  ) => Promise<{ provider: EmbeddingProvider; settings: FingerprintSettings } | null>;
}

/** What one pass over a collection saw. */
export interface Pass {
  generation: number | null;
  /** Recorded for the tenants that were selected. */
  recordedPoints: number;
  /** Points that were looked at, those of other tenants included. */
  points: number;
  /** Rows in the queue when the pass ended, which were passed over. */
  queuedRows: number;
  /** Those of them that have failed, and were not done since. */
  failedRows: number;
  /** Vectors that were compared with such that were made anew. */
  sampled: number;
  /** Sent to providers for those. */
  tokens: number;
  /** By tenant: rows that have no key. */
  keyless: { tenant: string; rows: number; source: RowSource }[];
  /** Settings in which the config differs from the live generation. */
  changedSettings: string[];
}

/**
 * One pass over a collection: names, rows against the record, the record against points.
 * @param onConfirmed awaited with what is wrong
 * @throws {GenerationMovedError} when another generation becomes live meanwhile: nothing of the pass counts
 * @throws {VecpipeError} whatever database, source, store or provider throw
 */
export async function passOver(
  context: VerifyContext,
  unit: Unit,
  options: VerifyOptions,
  onConfirmed: (confirmed: readonly Confirmed[]) => Promise<void>,
): Promise<Pass> {
  const { database, store } = context;
  const { collection } = unit;
  const call = { ...(options.signal && { signal: options.signal }) };
  const names = await readStoreNames(store, call);
  const generations = await knownGenerations(database, store.location, collection, call);
  const { live } = generations;
  try {
    await onConfirmed(await checkNames(database, store, unit, { names, generations }, call));
    return await passOverRows(context, unit, live, options, onConfirmed);
  } catch (error) {
    // A collection that a reindex has dropped meanwhile cannot be read any more.
    const now = await knownGenerations(database, store.location, collection, call).catch(() => null);
    throw now !== null && now.live?.id !== live?.id ? new GenerationMovedError() : error;
  }
}

async function passOverRows(
  context: VerifyContext,
  unit: Unit,
  live: GenerationRecord | null,
  options: VerifyOptions,
  onConfirmed: (confirmed: readonly Confirmed[]) => Promise<void>,
): Promise<Pass> {
  const { database, store } = context;
  const call = { ...(options.signal && { signal: options.signal }) };
  const pass: Pass = {
    generation: live?.number ?? null,
    recordedPoints: 0,
    points: 0,
    queuedRows: 0,
    failedRows: 0,
    sampled: 0,
    tokens: 0,
    keyless: [],
    changedSettings: [],
  };
  const opened: RowDifferences[] = [];
  await using differing = new SpilledList<DifferingRow>();
  for (const { open } of unit.sources) {
    const source = await open(templateOf(live), call);
    const place = { collection: unit.collection, generationId: live?.id ?? null };
    opened.push(new RowDifferences(database, source, place, differing));
  }
  // Beside the points: the database compares while the store is read.
  const collecting = collectAll(opened, call);
  collecting.catch(() => {});
  try {
    if (live !== null) await passOverPoints(context, unit, live, options, pass, onConfirmed);
  } finally {
    await collecting.catch(() => {});
  }
  await collecting;
  for (const differences of opened) {
    const { keyless: rows, source } = differences;
    if (rows > 0) pass.keyless.push({ tenant: source.tenant, rows, source });
    for await (const confirmed of differences.confirmed(call)) await onConfirmed(confirmed);
  }
  for (const { tenant } of unit.sources) {
    const { pending, unrepaired } = await readBacklog(database, tenant, unit.entity, call);
    pass.queuedRows += pending;
    pass.failedRows += unrepaired;
  }
  const { live: now } = await knownGenerations(database, store.location, unit.collection, call);
  if (now?.id !== live?.id) throw new GenerationMovedError();
  return pass;
}

async function collectAll(differences: readonly RowDifferences[], options: CallOptions): Promise<void> {
  for (const each of differences) await each.collect(options);
}

async function passOverPoints(
  context: VerifyContext,
  unit: Unit,
  live: GenerationRecord,
  options: VerifyOptions,
  pass: Pass,
  onConfirmed: (confirmed: readonly Confirmed[]) => Promise<void>,
): Promise<void> {
  const { database, store, report } = context;
  const { collection, entity, isWhole } = unit;
  const call = { ...(options.signal && { signal: options.signal }) };
  const selected = new Set(unit.sources.map(({ tenant }) => tenant));
  const recorded = await recordedTenants(database, live.id, call);
  const info = await store.describeCollection(live.physical, call);
  const judge: PointJudge = {
    database,
    store,
    generation: live,
    collection,
    entity,
    selected,
    others: recorded.filter((tenant) => !selected.has(tenant)),
    withVectors: options.withVectors,
    exists: info !== null,
  };
  if (info !== null && info.dimensions !== live.dimensions) {
    const detail = `${live.physical} holds vectors of ${info.dimensions} dimensions, and was built with ${live.dimensions}`;
    await onConfirmed([aboutCollection(collection, 'wrong_width', detail, 'none')]);
  }
  for (const tenant of selected) {
    pass.recordedPoints += await recordedPoints(database, live.id, tenant, entity, call);
  }
  let total = pass.recordedPoints;
  if (isWhole)
    for (const tenant of judge.others) total += await recordedPoints(database, live.id, tenant, entity, call);
  await verifyPoints(judge, {
    ...call,
    filter: isWhole ? null : { must: [{ field: 'vecpipe.tenant', anyOf: [...selected] }] },
    isFast: options.isFast,
    onConfirmed,
    onPoints: (count) => {
      pass.points += count;
      report({ type: 'progress', done: Math.min(pass.points, total), total });
    },
  });
  await lookAtSettings(context, unit, judge, options, pass, onConfirmed);
}

/** What the config wants now, and the sample that needs a provider. */
async function lookAtSettings(
  { report }: VerifyContext,
  unit: Unit,
  judge: PointJudge,
  { sample, seed, providerOf, signal }: VerifyOptions,
  pass: Pass,
  onConfirmed: (confirmed: readonly Confirmed[]) => Promise<void>,
): Promise<void> {
  const { generation } = judge;
  for (const { tenant, open } of unit.sources) {
    const wanted = await providerOf(unit, tenant);
    if (wanted === null) continue;
    const changed = changedSettings(generation.settings, wanted.settings);
    if (changed.length > 0 && pass.changedSettings.length === 0) pass.changedSettings.push(...changed);
    if (sample === 0) continue;
    if (changed.some((name) => name !== 'template' && name !== 'chunking')) {
      const message = `no vector of tenant ${tenant} was compared: ${generation.physical} was built with another ${changed.join(', ')}`;
      report({ type: 'warning', message });
      continue;
    }
    report({ type: 'step', message: `Embedding a sample of ${unit.entity} of tenant ${tenant}` });
    const source = await open(templateOf(generation), { ...(signal && { signal }) });
    const options = { size: sample, seed, onConfirmed, ...(signal && { signal }) };
    const { compared, tokens } = await sampleVectors(judge, source, wanted.provider, options);
    pass.sampled += compared;
    pass.tokens += tokens;
  }
}

/** Whether it is worth another pass: only the generation was replaced meanwhile. */
export function wasMoved(error: unknown): boolean {
  return error instanceof GenerationMovedError;
}

export function keepsMoving(collection: string): VecpipeError {
  return new VecpipeError(
    'unavailable',
    `another generation of ${collection} became live every time it was verified`,
    { code: 'generation_moved', hint: 'run the same command again when no reindex is running' },
  );
}
