import { chunksOf } from '../pipeline/chunks-of.ts';
import { prepareRow } from '../pipeline/prepare-row.ts';
import { TextEmbedder } from '../pipeline/text-embedder.ts';
import { sampleKeys } from '../compare/sample-keys.ts';
import { cosine } from '../util/vector-math.ts';
import type { CallOptions } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { slices } from '../util/slices.ts';
import type { PointJudge } from './confirm-points.ts';
import type { Confirmed } from './finding.ts';
import { PointIds } from './point-ids.ts';
import { readKnowledge, wasAtRest } from './recorded-rows.ts';

export interface SampleOptions extends CallOptions {
  /** Rows at the most. */
  size: number;
  seed: number;
  onConfirmed: (confirmed: readonly Confirmed[]) => Promise<void>;
}

export interface SampleResult {
  /** Points whose vectors were compared. */
  compared: number;
  /** Sent to the provider. */
  tokens: number;
}

/** The same model gives the same vector of a text, but for rounding. */
const LEAST_COSINE = 0.99;
const ROWS_TOGETHER = 64;

/**
 * Embeds texts of some rows anew and compares the vectors with those that are stored. Rows that are not as they were
 * stored are passed over: other checks are about those.
 * @throws {VecpipeError} `usage` when the source cannot be read, `unavailable` when the provider cannot answer
 * @throws {GenerationMovedError}
 */
export async function sampleVectors(
  judge: PointJudge,
  source: RowSource,
  provider: EmbeddingProvider,
  options: SampleOptions,
): Promise<SampleResult> {
  const result: SampleResult = { compared: 0, tokens: 0 };
  if (!judge.exists) return result;
  const { size, seed, onConfirmed, ...call } = options;
  const { keys } = await sampleKeys(judge.database, source, { size, seed, ...call });
  const embedder = new TextEmbedder(provider);
  for (const slice of slices(keys, ROWS_TOGETHER)) {
    await onConfirmed(await compareRows(judge, source, embedder, slice, result, call));
  }
  return result;
}

interface SampledPoint {
  row: number;
  key: string;
  chunk: number;
  id: string;
  text: string;
}

async function compareRows(
  judge: PointJudge,
  source: RowSource,
  embedder: TextEmbedder,
  keys: readonly string[],
  result: SampleResult,
  options: CallOptions,
): Promise<Confirmed[]> {
  const { database, store, generation, collection, entity } = judge;
  const { tenant } = source;
  const names = keys.map((key) => ({ tenant, entity, key }));
  const before = await readKnowledge(database, generation.id, names, options);
  const ids = new PointIds(tenant, entity);
  const wanted: SampledPoint[] = [];
  for (const [index, loaded] of (await loadRows(database, source, generation.id, keys, options)).entries()) {
    const { key } = loaded;
    const decision = prepareRow(
      source,
      { key, operation: 'upsert', version: 1, attempts: 1, unconfirmed: true },
      loaded,
    );
    const recorded = before[index]?.recorded;
    if (!('row' in decision) || decision.row.textHash !== recorded?.textHash) continue;
    const texts = chunksOf(decision.row.text, embedder.provider.tokenizer, generation.settings.chunking);
    texts.forEach((text, chunk) => wanted.push({ row: index, key, chunk, id: ids.of(key, chunk), text }));
  }
  if (wanted.length === 0) return [];
  const answer = await embedder.embed(
    wanted.map(({ text }) => text),
    options,
  );
  result.tokens += answer.tokens;
  const stored = await store.retrieve(
    generation.physical,
    wanted.map(({ id }) => id),
    { ...options, withVectors: true },
  );
  const after = await readKnowledge(database, generation.id, names, options);

  const byId = new Map(stored.map((point) => [point.id, point]));
  return wanted.flatMap(({ row, key, chunk, id }, index): Confirmed[] => {
    const expected = answer.vectors[index];
    const vector = byId.get(id)?.vector;
    if (!(expected instanceof Float32Array) || !vector || !wasAtRest(before[row], after[row])) return [];
    result.compared += 1;
    const similarity = expected.length === vector.length ? cosine(expected, vector) : Number.NaN;
    // Also when it is not a number.
    if (similarity >= LEAST_COSINE) return [];
    const detail = Number.isNaN(similarity) ? 'no cosine' : `cosine ${similarity.toFixed(4)}`;
    const owner = { tenant, entity, key, chunk };
    const finding = { kind: 'vector_differs' as const, collection, ...owner, pointId: id, detail };
    return [{ finding, repair: 'requeue', candidate: { id, owner, claimed: null } }];
  });
}
