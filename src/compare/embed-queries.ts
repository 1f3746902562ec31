import { checkVectors } from '../pipeline/check-vectors.ts';
import type { CallOptions } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import { slices } from '../util/slices.ts';

export interface EmbeddedQueries {
  /** In the order of the queries; null for one that the provider refused. */
  vectors: (Float32Array | null)[];
  tokens: number;
  /** What one query takes when it comes alone, as in a search; null without queries. */
  medianMs: number | null;
}

/** Asked one by one to be timed. Some are enough, and hundreds would keep a slow gateway busy for minutes. */
const TIMED_QUERIES = 20;

/**
 * Embeds texts as queries, the first ones each in a call of its own. The median leaves out what only the first
 * call pays, such as a connection.
 * @throws whatever the provider throws; a refused text is a value, not an error
 */
export async function embedQueries(
  provider: EmbeddingProvider,
  texts: readonly string[],
  { signal }: CallOptions,
): Promise<EmbeddedQueries> {
  const embedded: EmbeddedQueries = { vectors: [], tokens: 0, medianMs: null };
  const times: number[] = [];
  const call = async (batch: readonly string[]) => {
    signal?.throwIfAborted();
    const startedAt = performance.now();
    const result = await provider.embed(batch, { purpose: 'query', ...(signal && { signal }) });
    const tookMs = performance.now() - startedAt;
    for (const vector of checkVectors(provider, batch.length, result))
      embedded.vectors.push(vector instanceof Float32Array ? vector : null);
    embedded.tokens += result.tokens;
    return tookMs;
  };
  for (const text of texts.slice(0, TIMED_QUERIES)) times.push(await call([text]));
  for (const batch of slices(texts.slice(TIMED_QUERIES), provider.maxBatchSize)) await call(batch);
  return { ...embedded, medianMs: median(times) };
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}
