import { fileURLToPath } from 'node:url';
import type { StaticProviderConfig } from '../../config/provider-config.ts';
import type { CallOptions } from '../../ports/database.ts';
import type {
  EmbeddingProvider,
  EmbedResult,
  RefusedText,
  Tokenizer,
} from '../../ports/embedding-provider.ts';
import { createTokenBuffer } from '../tokenizer/model-tokenizer.ts';
import { readModelFolder } from './model-folder.ts';
import type { StaticModel } from './model-folder.ts';
import { TokenMean } from './token-mean.ts';
import { WorkSlice } from '../../util/work-slice.ts';

/** The same path from `src` and from `dist`. */
const SHIPPED_MODEL = new URL('../../../models/static-en-256', import.meta.url);

/** Keeps the answer to a call at a few megabytes. */
const MAX_BATCH_SIZE = 1024;

const NO_KNOWN_TOKEN: RefusedText = {
  code: 'no_known_token',
  reason: 'no token of the text is in the vocabulary of the static model',
};
const NO_DIRECTION: RefusedText = {
  code: 'vector_zero',
  reason: 'the vectors of the tokens of the text add up to nothing in the static model',
};

/**
 * Opens a static model: a table with one vector a token, in the folder format of Model2Vec. The vector of a text
 * is the mean of the vectors of its tokens, unknown and special ones left out, at unit length. The model stays in
 * memory, as it is stored, until the provider is disposed; nothing else is held.
 *
 * A text longer than `maxInputTokens` is embedded whole: the limit says how much a mean can bear, and cutting
 * the text here would lose its end without a word.
 *
 * @throws {VecpipeError} usage: `model_not_found` when the folder or a file of it is missing, `model_invalid` when
 * a file is damaged or the files do not belong together, `model_unsupported` when it is of a kind that vecpipe does
 * not read; the signal's reason when aborted
 */
export async function openStaticProvider(
  config: Pick<StaticProviderConfig, 'model'>,
  options: CallOptions = {},
): Promise<EmbeddingProvider> {
  return new StaticProvider(await readModelFolder(config.model ?? fileURLToPath(SHIPPED_MODEL), options));
}

class StaticProvider implements EmbeddingProvider {
  readonly kind = 'static';
  readonly modelId: string;
  readonly variant = null;
  readonly requestLimits = null;
  readonly dimensions: number;
  readonly maxBatchSize = MAX_BATCH_SIZE;
  /** Embedding is work of this thread; two calls at once would only take turns. */
  readonly maxConcurrency = 1;
  readonly maxInputTokens: number | null;
  readonly tokenizer: Tokenizer;
  readonly #slice = new WorkSlice();
  #model: StaticModel | null;

  constructor(model: StaticModel) {
    this.modelId = model.modelId;
    this.dimensions = model.table.dimensions;
    this.maxInputTokens = model.maxInputTokens;
    this.tokenizer = model.tokenizer;
    this.#model = model;
  }

  /**
   * `tokens` is what `tokenizer.count` says of the texts that got a vector, unknown tokens included, so that what
   * a run costs can be told beforehand.
   */
  async embed(texts: readonly string[], { signal }: CallOptions = {}): Promise<EmbedResult> {
    signal?.throwIfAborted();
    if (this.#model === null) throw new Error(`the static provider ${this.modelId} has been disposed`);
    const { tokenizer, table } = this.#model;
    // Of this call alone: another one may come in while this one rests.
    const buffer = createTokenBuffer();
    const mean = new TokenMean(table, tokenizer.unknownId);
    const vectors: (Float32Array | RefusedText)[] = [];
    let tokens = 0;
    this.#slice.begin();
    for (const text of texts) {
      mean.restart();
      let counted = 0;
      for (let at = 0; at < text.length;) {
        buffer.length = 0;
        at = tokenizer.encodeInto(text, at, buffer);
        mean.add(buffer.ids, buffer.length);
        counted += buffer.length;
        if (this.#slice.isOver()) await this.#slice.rest(signal);
      }
      const vector = mean.known === 0 ? NO_KNOWN_TOKEN : (mean.unitVector() ?? NO_DIRECTION);
      if (vector instanceof Float32Array) tokens += counted;
      vectors.push(vector);
    }
    this.#slice.end();
    return { vectors, tokens };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#model = null;
  }
}
