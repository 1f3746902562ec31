import { CreditsBusyError } from '../credits/tenant-credits.ts';
import type { VecpipeError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { Report } from '../ports/run-events.ts';
import type { Point, RowChunks, VectorStore } from '../ports/vector-store.ts';
import { recordBatch } from '../queue/record-batch.ts';
import { requeueRows } from '../queue/requeue-rows.ts';
import { workOf } from '../queue/work.ts';
import type { Batch, RowResult } from '../queue/work.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import { slices } from '../util/slices.ts';
import { chunksOf } from './chunks-of.ts';
import { copyVectors } from './copy-vectors.ts';
import type { RowTexts } from './copy-vectors.ts';
import { whileLeased } from './held-lease.ts';
import { pointId } from './point-id.ts';
import { pointPayload, prepareRow } from './prepare-row.ts';
import type { PreparedRow } from './prepare-row.ts';
import type { Target } from './target.ts';
import { textHash } from './text-embedder.ts';
import type { VectorOrigin } from './text-embedder.ts';

export interface BatchContext {
  database: Database;
  store: VectorStore;
  report: Report;
}

/** How far a batch has come, for whoever renews its lease or gives it back. */
export interface WriteMark {
  /** Points may have been written. */
  written: boolean;
  /** The lease is about to be given up by recording the results. */
  recording: boolean;
}

/** Work of one batch, sorted by what has to be done. */
interface Plan {
  results: RowResult[];
  embed: PreparedRow[];
  payload: PreparedRow[];
  prune: RowChunks[];
  /** By key, for the counts. */
  done: Map<string, Done>;
  /** The texts behind the rows, a pair a text: what was bought for a row is charged when it is recorded. */
  delivery: { keys: string[]; textHashes: string[] };
  /** Rows that the tenant's credits did not reach for, and what comes of it; nothing was done for them. */
  uncovered: { keys: Set<string>; shortage: VecpipeError | CreditsBusyError } | null;
}

/** What a provider refuses once it may take another time: a filter, a hiccup of its numbers. */
const MAY_PASS: ReadonlySet<string> = new Set(['provider_rejected_text', 'vector_not_finite', 'vector_zero']);

type Done = 'embedded' | 'fallback' | 'reused' | 'payloadOnly' | 'unchanged' | 'empty' | 'deleted';

/**
 * One claimed batch from rows to record: load, render, compare, reserve, embed, check, write, prune, and one
 * transaction that records, dequeues and charges. New points are written before old ones are removed. Adds to the
 * target's counts only what was recorded.
 *
 * @throws LeaseLostError when the lease may have run out; VecpipeError `credits` or CreditsBusyError when the
 *   credits did not reach for all rows, after those that they reach for were recorded; whatever the store, provider or database throws. The
 *   caller then gives the batch back, which by then holds only the rows that are not done.
 */
export async function processBatch(
  context: BatchContext,
  target: Target,
  batch: Batch,
  mark: WriteMark,
  options: CallOptions,
): Promise<void> {
  const plan = await planBatch(context, target, batch, options);
  const missing = await updatePayloads(context, target, batch, plan, mark, options);
  const points = await embedRows(context, target, batch, plan, [...plan.embed, ...missing], options);
  for (const slice of slices(points, context.store.maxBatchSize)) {
    await write(batch, mark, options, (held) =>
      context.store.upsert(target.generation.physical, slice, held),
    );
  }
  if (plan.prune.length > 0) {
    await write(batch, mark, options, (held) =>
      context.store.deleteChunks(target.generation.physical, plan.prune, held),
    );
  }
  for (const point of points) {
    context.report({ type: 'stored', pointId: point.id, collection: target.generation.collection });
  }
  // A batch that could do nothing has nothing to say: it is given back as it came.
  if (plan.results.length > 0) await record(context, target, batch, plan, mark);
  if (plan.uncovered !== null) {
    const { keys, shortage } = plan.uncovered;
    batch.rows = batch.rows.filter(({ key }) => keys.has(key));
    mark.written = false;
    throw shortage;
  }
}

async function planBatch(
  { database, report }: BatchContext,
  target: Target,
  batch: Batch,
  options: CallOptions,
): Promise<Plan> {
  const keys = batch.rows.map((row) => row.key);
  const loaded = await loadRows(database, target.source, target.generation.id, keys, options);
  const plan: Plan = {
    results: [],
    embed: [],
    payload: [],
    prune: [],
    done: new Map(),
    delivery: { keys: [], textHashes: [] },
    uncovered: null,
  };
  batch.rows.forEach((claimed, index) => {
    const row = loaded[index];
    if (!row) return;
    const { key, version } = claimed;
    const decision = prepareRow(target.source, claimed, row);
    if (decision.action === 'fail') {
      const { code, reason } = decision;
      plan.results.push({ key, version, outcome: 'failed', code, reason, isFinal: true });
      return;
    }
    if (decision.action === 'drop') {
      plan.results.push({ key, version, outcome: 'dropped' });
      return;
    }
    if (decision.action === 'delete') {
      plan.results.push({ key, version, outcome: 'deleted' });
      plan.prune.push({ tenant: batch.tenant, entity: batch.entity, key, fromChunk: 0 });
      plan.done.set(key, 'deleted');
      return;
    }
    report({ type: 'processing', tenant: batch.tenant, entity: batch.entity, label: decision.row.label });
    if (decision.action === 'embed') plan.embed.push(decision.row);
    else if (decision.action === 'payload') plan.payload.push(decision.row);
    else if (decision.action === 'empty') finishRow(plan, target, decision.row, 0, 'empty');
    else finishRow(plan, target, decision.row, decision.row.recordedChunks ?? 0, 'unchanged');
  });
  return plan;
}

/** @returns rows whose points the store does not have after all, to be embedded */
async function updatePayloads(
  { store }: BatchContext,
  target: Target,
  batch: Batch,
  plan: Plan,
  mark: WriteMark,
  options: CallOptions,
): Promise<PreparedRow[]> {
  const updates = plan.payload.flatMap((row) =>
    Array.from({ length: row.recordedChunks ?? 0 }, (_chunk, chunk) => ({
      row,
      id: pointId(target.tenant, target.entity, row.claimed.key, chunk),
      payload: pointPayload(target.source, row, chunk, target.generation.fingerprint),
    })),
  );
  const missing = new Set<string>();
  for (const slice of slices(updates, store.maxBatchSize)) {
    const absent = new Set(
      await write(batch, mark, options, (held) => store.setPayload(target.generation.physical, slice, held)),
    );
    for (const { row, id } of slice) if (absent.has(id)) missing.add(row.claimed.key);
  }
  for (const row of plan.payload) {
    if (missing.has(row.claimed.key)) continue;
    finishRow(plan, target, row, row.recordedChunks ?? 0, 'payloadOnly');
  }
  return plan.payload.filter((row) => missing.has(row.claimed.key));
}

async function embedRows(
  context: BatchContext,
  target: Target,
  batch: Batch,
  plan: Plan,
  wanted: readonly PreparedRow[],
  options: CallOptions,
): Promise<Point[]> {
  if (wanted.length === 0) return [];
  const { embedder, generation } = target;
  const { tokenizer } = embedder.provider;
  const { points, left } = await copyRows(
    context,
    target,
    plan,
    wanted.map((row) => ({ row, texts: chunksOf(row.text, tokenizer, target.settings.chunking) })),
    options,
  );
  const covered = await reserveFor(target, batch, plan, left, options);
  const rows = left.slice(0, covered).map(({ row }) => row);
  const texts = left.slice(0, covered).map((each) => each.texts);
  if (rows.length === 0) return points;
  const receipts = target.receipts?.forBatch(batch.leaseToken);
  const { vectors, origins, tokens, cost } = await embedder.embed(texts.flat(), { ...options, receipts });
  // Spent, whatever becomes of the batch.
  target.counts.tokens += tokens;
  target.counts.cost += cost;

  let next = 0;
  rows.forEach((row, index) => {
    const count = texts[index]?.length ?? 0;
    const ofRow = vectors.slice(next, next + count);
    const ofChunks = new Set(origins.slice(next, next + count));
    next += count;
    const { key, version } = row.claimed;
    for (const text of row.isCharged ? [] : (texts[index] ?? [])) {
      plan.delivery.keys.push(key);
      plan.delivery.textHashes.push(textHash(text));
    }
    const refused = ofRow.find((vector) => !(vector instanceof Float32Array));
    if (refused !== undefined && !(refused instanceof Float32Array)) {
      const { code, reason } = refused;
      plan.results.push({ key, version, outcome: 'failed', code, reason, isFinal: !MAY_PASS.has(code) });
      return;
    }
    points.push(
      ...pointsOf(
        target,
        row,
        ofRow.filter((vector) => vector instanceof Float32Array),
      ),
    );
    context.report({
      type: 'embedded',
      tenant: target.tenant,
      entity: target.entity,
      dimensions: generation.dimensions,
    });
    finishRow(plan, target, row, count, doneBy(ofChunks));
  });
  return points;
}

/** Takes what another generation holds of the same texts. @returns the rows that are left to be embedded, in order */
async function copyRows(
  context: BatchContext,
  target: Target,
  plan: Plan,
  wanted: readonly RowTexts[],
  options: CallOptions,
): Promise<{ points: Point[]; left: readonly RowTexts[] }> {
  const { tenant, entity, copySource, embedder } = target;
  if (copySource === undefined) return { points: [], left: wanted };
  const { tokenizer } = embedder.provider;
  const copied = await copyVectors(context, copySource, { tenant, entity, tokenizer }, wanted, options);
  const points = wanted.flatMap(({ row }) => {
    const vectors = copied.get(row.claimed.key);
    if (vectors === undefined) return [];
    finishRow(plan, target, row, vectors.length, 'reused');
    return pointsOf(target, row, vectors);
  });
  return { points, left: wanted.filter(({ row }) => !copied.has(row.claimed.key)) };
}

/** One point a vector, in the order of the row's chunks. */
function pointsOf(target: Target, row: PreparedRow, vectors: readonly Float32Array[]): Point[] {
  return vectors.map((vector, chunk) => ({
    id: pointId(target.tenant, target.entity, row.claimed.key, chunk),
    vector,
    payload: pointPayload(target.source, row, chunk, target.generation.fingerprint),
  }));
}

/** @returns how many of the rows, from the first on, are covered by the tenant's credits */
async function reserveFor(
  { credits, embedder }: Target,
  batch: Batch,
  plan: Plan,
  rows: readonly RowTexts[],
  options: CallOptions,
): Promise<number> {
  if (credits === null || rows.length === 0) return rows.length;
  const { tokenizer } = embedder.provider;
  const rowTokens = rows.map(({ texts }) => texts.reduce((sum, text) => sum + tokenizer.count(text), 0));
  const { rows: covered, shortage } = await credits.reserve(batch, rowTokens, options);
  if (covered < rows.length) {
    const keys = new Set(rows.slice(covered).map(({ row }) => row.claimed.key));
    plan.uncovered = { keys, shortage: shortage ?? new CreditsBusyError() };
  }
  return covered;
}

function doneBy(origins: ReadonlySet<VectorOrigin>): Done {
  if (origins.has('fallback')) return 'fallback';
  return origins.has('provider') ? 'embedded' : 'reused';
}

/** Notes that the row ends with `chunks` points, and that any beyond them have to go. */
function finishRow(plan: Plan, target: Target, row: PreparedRow, chunks: number, done: Done): void {
  const { key, version } = row.claimed;
  plan.done.set(key, done);
  const { rowHash, textHash, payloadHash } = row;
  plan.results.push({ key, version, outcome: 'stored', rowHash, textHash, payloadHash, chunks });
  if (row.recordedChunks === null || row.recordedChunks > chunks) {
    plan.prune.push({ tenant: target.tenant, entity: target.entity, key, fromChunk: chunks });
  }
}

/** Every write to the store. */
function write<Result>(
  batch: Batch,
  mark: WriteMark,
  options: CallOptions,
  call: (held: CallOptions) => Promise<Result>,
): Promise<Result> {
  return whileLeased(batch, options, (held) => {
    mark.written = true;
    return call(held);
  });
}

async function record(
  { database, report }: BatchContext,
  target: Target,
  batch: Batch,
  plan: Plan,
  mark: WriteMark,
): Promise<void> {
  const { results } = plan;
  mark.recording = true;
  // Not to be aborted: one short statement, and what it did must be known.
  const { recorded, lost, charged } = await recordBatch(database, batch, target.generation.id, results, {
    receipts: target.receipts,
    delivery: target.credits === null ? null : plan.delivery,
  });
  target.counts.credits += charged;
  if (mark.written && lost.size > 0)
    await requeueRows(database, batch.tenant, batch.entity, [...lost], workOf(batch));
  for (const result of results) {
    if (!recorded.has(result.key)) continue;
    target.tally.finished += 1;
    if (result.outcome === 'dropped') target.tally.dropped += 1;
    if (result.outcome === 'failed') {
      const { key, code, reason } = result;
      report({ type: 'row_failed', tenant: batch.tenant, entity: batch.entity, key, code, message: reason });
      continue;
    }
    const done = plan.done.get(result.key);
    if (done === undefined) continue;
    target.counts[done] += 1;
    if (done === 'fallback') target.counts.embedded += 1;
    if (done === 'embedded' || done === 'fallback' || done === 'reused') target.counts.stored += 1;
  }
  await target.receipts?.batchRecorded();
}
