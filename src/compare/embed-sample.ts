import { chunksOf } from '../pipeline/chunks-of.ts';
import { effectiveChunking } from '../pipeline/fingerprint.ts';
import { TextEmbedder } from '../pipeline/text-embedder.ts';
import type { CallOptions } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { NearestRows } from './nearest-rows.ts';
import { asked } from './provider-failure.ts';
import type { SampledRow } from './read-sample.ts';

/** What embedding a sample took. */
export interface EmbeddedSample {
  /** Rows that got vectors. */
  rows: number;
  /** Rows of which the provider refused a text, which `vectorize` would set aside. */
  refused: number;
  /** Texts, which are chunks of rows. */
  texts: number;
  tokens: number;
  /** In the provider alone. */
  embedMs: number;
}

/** Embedded together: enough for several requests at once, and few enough to be held with their vectors. */
const TEXTS_AT_ONCE = 1024;

/**
 * Embeds rows by the rules of `vectorize`: the entity's chunks within the model's limit, equal texts once. Each
 * row goes to `nearest` and is forgotten.
 * @throws {ProviderFailure} when the provider cannot answer; what reading the pages throws
 */
export async function embedSample(
  provider: EmbeddingProvider,
  source: RowSource,
  pages: AsyncIterable<readonly SampledRow[]>,
  nearest: NearestRows,
  { signal }: CallOptions,
): Promise<EmbeddedSample> {
  const embedder = new TextEmbedder(provider);
  const chunking = effectiveChunking(source.entity, provider);
  const total: EmbeddedSample = { rows: 0, refused: 0, texts: 0, tokens: 0, embedMs: 0 };
  let waiting: { index: number; chunks: string[] }[] = [];
  let waitingTexts = 0;

  const flush = async () => {
    if (waiting.length === 0) return;
    const texts = waiting.flatMap(({ chunks }) => chunks);
    const startedAt = performance.now();
    const answer = await asked(() => embedder.embed(texts, signal ? { signal } : {}));
    total.embedMs += performance.now() - startedAt;
    total.tokens += answer.tokens;
    let at = 0;
    for (const { index, chunks } of waiting) {
      const ofRow = answer.vectors.slice(at, at + chunks.length);
      const vectors = ofRow.filter((vector) => vector instanceof Float32Array);
      at += chunks.length;
      if (vectors.length < ofRow.length) {
        total.refused += 1;
        continue;
      }
      total.rows += 1;
      total.texts += chunks.length;
      await nearest.add(index, vectors, signal);
    }
    waiting = [];
    waitingTexts = 0;
  };

  for await (const page of pages) {
    for (const { index, text } of page) {
      const chunks = chunksOf(text, provider.tokenizer, chunking);
      waiting.push({ index, chunks });
      waitingTexts += chunks.length;
      if (waitingTexts >= TEXTS_AT_ONCE) await flush();
    }
  }
  await flush();
  return total;
}
