import type { LocalProviderConfig } from '../../config/provider-config.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { waitOrAbort } from '../../lifetime/abort.ts';
import type {
  EmbeddingProvider,
  EmbedOptions,
  EmbedResult,
  OpenProviderOptions,
  RefusedText,
  Tokenizer,
} from '../../ports/embedding-provider.ts';
import { WorkSlice } from '../../util/work-slice.ts';
import type { ModelTokenizer } from '../tokenizer/model-tokenizer.ts';
import { openTokenizer } from '../tokenizer/open-tokenizer.ts';
import { BatchScheduler } from './batch-scheduler.ts';
import { hubFolder } from './hub-folder.ts';
import { describeModel } from './model-description.ts';
import type { ModelDescription } from './model-description.ts';
import { checkShape, openingError } from './opening-checks.ts';
import { startWorker } from './start-worker.ts';
import { PromptEncoder } from './prompt-encoder.ts';
import { planThreads } from './thread-plan.ts';
import { checkTransformersPackage } from './transformers-package.ts';
import type { ModelShape } from './worker-protocol.ts';

/** A window that is sorted: enough for batches of equal lengths, and about a second of work. */
const MAX_BATCH_SIZE = 256;
/** Calls share their batches, and the next one is ready when the workers come to the end of one. */
const MAX_CONCURRENCY = 4;
/** Small batches of neighbours are the fastest on a CPU: what they compute on stays in its caches. */
const BATCH_LIMITS = { texts: 16, paddedTokens: 1024 };

/**
 * Opens a transformers model in ONNX, from a folder or, downloaded once, from the model hub, and runs it through
 * transformers.js in worker threads of which each has a copy of it. The vectors have unit length; pooling, prefixes
 * and the limit of tokens are those of the config, else of the model's own files, else of its family.
 *
 * @throws {VecpipeError} usage: `provider_package_missing`, `model_not_found`, `model_invalid`, `model_unsupported`,
 * `provider_width`; unavailable: `model_unavailable`, `provider_worker_crashed`; the signal's reason when aborted
 */
export async function openLocalProvider(
  config: LocalProviderConfig,
  options: OpenProviderOptions = {},
): Promise<EmbeddingProvider> {
  const { signal } = options;
  signal?.throwIfAborted();
  checkTransformersPackage(config.name);
  const folder = config.modelFrom === 'folder' ? config.model : await hubFolder(config, options);
  const model = await describeModel(folder, config, options);
  const plan = planThreads(config, model.weightsBytes);
  const scheduler = new BatchScheduler({
    name: config.name,
    workers: plan.workers,
    limits: BATCH_LIMITS,
    start: (guard) =>
      startWorker({
        folder,
        dtype: config.dtype,
        threads: plan.threads,
        pooling: model.pooling,
        prefersPooling: config.pooling !== null,
        padId: model.padId,
        guard: guard.memory,
      }),
  });
  try {
    const opening = scheduler.open().catch((error: unknown) => {
      throw openingError(error, config, model);
    });
    // The threads load while the tokenizer is made.
    const both = Promise.all([opening, openTokenizer(model.tokenizer.json, model.tokenizer.path)]);
    const [shape, tokenizer] = await waitOrAbort(both, signal);
    checkShape(shape, config, model);
    return new LocalProvider(config, { model, shape, tokenizer, scheduler });
  } catch (error) {
    await scheduler[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  model: ModelDescription;
  shape: ModelShape;
  tokenizer: ModelTokenizer;
  scheduler: BatchScheduler;
}

class LocalProvider implements EmbeddingProvider {
  readonly kind = 'local';
  readonly modelId: string;
  readonly variant: string;
  readonly requestLimits = null;
  readonly dimensions: number;
  readonly maxBatchSize = MAX_BATCH_SIZE;
  readonly maxConcurrency = MAX_CONCURRENCY;
  readonly maxInputTokens: number;
  readonly tokenizer: Tokenizer;
  readonly #encoder: PromptEncoder;
  readonly #scheduler: BatchScheduler;
  readonly #slice = new WorkSlice();
  readonly #tooLong: RefusedText;

  constructor(config: LocalProviderConfig, { model, shape, tokenizer, scheduler }: Parts) {
    this.modelId = config.modelId;
    this.variant = variantOf(config, model, shape);
    this.dimensions = shape.dimensions;
    this.tokenizer = tokenizer;
    this.#encoder = new PromptEncoder(tokenizer, model.specialTokens, model.prefixes);
    this.#scheduler = scheduler;
    const room = model.tokenLimit - this.#encoder.overhead;
    if (room < 1) {
      throw usageError(
        'prefix_too_long',
        `the prefix of provider ${config.name} leaves no room for a text in the ${model.tokenLimit} tokens that the model takes`,
        'shorten `queryPrefix:` and `passagePrefix:` of the provider',
      );
    }
    this.maxInputTokens = Math.min(room, config.maxTokensPerInput ?? room);
    this.#tooLong = {
      code: 'text_too_long',
      reason: `the text has more than the ${this.maxInputTokens} tokens that the model takes`,
    };
  }

  /**
   * `tokens` is what `tokenizer.count` says of the texts that got a vector, without prefix, special tokens and
   * padding, so that what a run costs can be told beforehand. A text longer than `maxInputTokens` is refused: cutting
   * it would lose its end without a word.
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EmbedResult> {
    const { signal, purpose = 'passage' } = options;
    signal?.throwIfAborted();
    const results: (Float32Array | RefusedText)[] = [];
    const accepted: { ids: Int32Array; index: number; tokens: number }[] = [];
    this.#slice.begin();
    for (const [index, text] of texts.entries()) {
      const encoded = this.#encoder.encode(text, purpose, this.maxInputTokens);
      if (encoded) accepted.push({ ...encoded, index });
      else results[index] = this.#tooLong;
      if (this.#slice.isOver()) await this.#slice.rest(signal);
    }
    this.#slice.end();
    const vectors = await this.#scheduler.run(
      accepted.map(({ ids }) => ids),
      options,
    );
    let total = 0;
    for (const [at, { index, tokens }] of accepted.entries()) {
      const vector = vectors[at] as Float32Array;
      const refusal = refusalOf(vector);
      results[index] = refusal ?? vector;
      if (!refusal) total += tokens;
    }
    return { vectors: results, tokens: total };
  }

  /** Rejects the calls under way and ends the threads, by force when they do not end by themselves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scheduler[Symbol.asyncDispose]();
  }
}

/** For the fingerprint: the prefix of queries does not change what is stored. */
function variantOf(config: LocalProviderConfig, model: ModelDescription, shape: ModelShape): string {
  const parts = [
    `dtype ${config.dtype}`,
    shape.isPooled ? `output ${shape.outputName}` : `${model.pooling} pooling`,
  ];
  if (model.prefixes.passage !== '') parts.push(`prefix ${JSON.stringify(model.prefixes.passage)}`);
  if (config.modelFrom === 'hub' && config.revision !== 'main') parts.push(`revision ${config.revision}`);
  return parts.join(', ');
}

/** Scaling to unit length makes zero and not-a-number show in every number of a vector. */
function refusalOf(vector: Float32Array): RefusedText | null {
  if (vector.some((value) => !Number.isFinite(value))) {
    return {
      code: 'vector_not_finite',
      reason: 'the model computed a number that is not finite for the text',
    };
  }
  if (vector.every((value) => value === 0)) {
    return { code: 'vector_zero', reason: 'the vectors of the tokens of the text add up to nothing' };
  }
  return null;
}
