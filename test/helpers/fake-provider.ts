import { createHash } from 'node:crypto';
import { creditMicros } from '../../src/credits/credits.ts';
import type { CallOptions } from '../../src/ports/database.ts';
import type {
  EmbeddingProvider,
  EmbedResult,
  RefusedText,
  Tokenizer,
} from '../../src/ports/embedding-provider.ts';

export interface FakeProviderOptions {
  modelId?: string;
  dimensions?: number;
  maxBatchSize?: number;
  maxConcurrency?: number;
  maxInputTokens?: number | null;
}

/** Counts the runs of characters between white space. */
export const whitespaceTokenizer: Tokenizer = {
  count: (text) => text.match(/\S+/g)?.length ?? 0,
  words: (text) =>
    [...text.matchAll(/\S+/g)].map(({ index, 0: word }) => ({
      start: index,
      end: index + word.length,
      tokens: 1,
    })),
};

/** A unit vector that depends on the text alone; different texts point in clearly different directions. */
export function fakeVector(text: string, dimensions = 8): Float32Array {
  const vector = new Float32Array(dimensions);
  for (let index = 0; index < dimensions; index += 1) {
    vector[index] = createHash('sha256').update(`${index}:${text}`).digest().readInt32BE() / 2 ** 31;
  }
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** Answers at once with {@link fakeVector}, and writes down what it was asked; a test changes what it wants otherwise. */
export class FakeProvider implements EmbeddingProvider {
  readonly kind = 'fake';
  readonly modelId: string;
  variant: string | null = null;
  requestLimits: { inputs: number; tokens: number } | null = null;
  pricePerMillionTokens: number | null = null;
  creditsPerMillionTokens = 0;
  keepVectorsBytes: number | null = null;
  readonly dimensions: number;
  readonly maxBatchSize: number;
  readonly maxConcurrency: number;
  readonly maxInputTokens: number | null;
  readonly tokenizer = whitespaceTokenizer;

  /** The texts of each call, in the order of the calls. */
  readonly calls: string[][] = [];
  /** Calls under way at once at the most. */
  peakCalls = 0;
  /** Texts that are not embedded. */
  readonly refused = new Map<string, RefusedText>();
  /** Awaited before a call is answered: throw to fail it, wait to hold it. */
  before: ((texts: readonly string[], options: CallOptions) => unknown) | undefined;
  /** Changes an answer before it is given. */
  spoil: ((result: EmbedResult, texts: readonly string[]) => EmbedResult) | undefined;
  #underWay = 0;

  constructor(options: FakeProviderOptions = {}) {
    this.modelId = options.modelId ?? 'fake/model';
    this.dimensions = options.dimensions ?? 8;
    this.maxBatchSize = options.maxBatchSize ?? 100;
    this.maxConcurrency = options.maxConcurrency ?? 4;
    this.maxInputTokens = options.maxInputTokens ?? null;
  }

  /** Every text that was sent, in order. */
  get texts(): string[] {
    return this.calls.flat();
  }

  get isPriced(): boolean {
    return this.pricePerMillionTokens !== null;
  }

  async embed(texts: readonly string[], options: CallOptions = {}): Promise<EmbedResult> {
    options.signal?.throwIfAborted();
    this.calls.push([...texts]);
    this.#underWay += 1;
    this.peakCalls = Math.max(this.peakCalls, this.#underWay);
    try {
      await this.before?.(texts, options);
      const result: EmbedResult = {
        vectors: texts.map((text) => this.refused.get(text) ?? fakeVector(text, this.dimensions)),
        tokens: texts.reduce((sum, text) => sum + this.tokenizer.count(text), 0),
      };
      result.creditMicros = creditMicros(result.tokens, this.creditsPerMillionTokens);
      return this.spoil?.(result, texts) ?? result;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** Times it was closed. */
  closed = 0;

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed += 1;
  }
}
