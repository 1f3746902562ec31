import type { CallOptions } from './database.ts';
import type { Report } from './run-events.ts';

/** A run of characters that the model's tokenizer never splits across, with its number of tokens. */
export interface Word {
  /** Offset of the first UTF-16 code unit in the text. */
  start: number;
  /** Offset after the last code unit. */
  end: number;
  tokens: number;
}

export interface Tokenizer {
  /** Tokens that the model counts for this text, special tokens left out. */
  count(text: string): number;
  /** The words of a text in order; what lies between two words (white space, dropped characters) has no token. */
  words(text: string): Word[];
}

/** Why a provider would not embed one text; the others of the call are not affected. */
export interface RefusedText {
  /** Stable, snake_case, such as `no_known_token`. */
  code: string;
  /** One sentence, without the text itself. */
  reason: string;
}

/** What a text is for: some models want to be told with a prefix. */
export type TextPurpose = 'passage' | 'query';

export interface EmbedOptions extends CallOptions {
  /** Left out: `passage`, a text that is stored. */
  purpose?: TextPurpose;
}

export interface EmbedResult {
  /** One entry a text, in input order: unit-length vectors of `dimensions` numbers, or why there is none. */
  vectors: (Float32Array | RefusedText)[];
  /** Tokens used by the whole call. */
  tokens: number;
  /** Money for those tokens; left out by a provider, filled in by the route that knows the price. */
  cost?: number;
  /** Millionths of a credit for them; like `cost` filled in by the route. */
  creditMicros?: number;
  /** A fallback answered; filled in by the route. */
  byFallback?: boolean;
}

export interface OpenProviderOptions extends CallOptions {
  /** Told about downloads, warnings and steps. Must not throw. */
  report?: Report;
}

/**
 * Turns texts into vectors. `open…Provider(config, { signal })` returns it ready to use; a failing open leaves
 * nothing behind and can be tried again. The opener disposes; disposal is idempotent, and calls still under way
 * are rejected by it.
 */
export interface EmbeddingProvider extends AsyncDisposable {
  readonly kind: string;
  /** Names the weights, not the place they were read from: two providers with equal ids give equal vectors. */
  readonly modelId: string;
  /**
   * What besides the weights decides the vector of a stored text, for people to read, such as
   * `dtype q8, mean pooling, prefix "passage: "`; null when nothing does. Part of the fingerprint.
   */
  readonly variant: string | null;
  readonly dimensions: number;
  /** Texts a call at the most. */
  readonly maxBatchSize: number;
  /** Calls under way at once at the most. */
  readonly maxConcurrency: number;
  /** What one request over the network takes at the most, to tell how many a plan needs; null: a call is one. */
  readonly requestLimits: { inputs: number; tokens: number } | null;
  /** Tokens a text at the most; null when there is no limit. Longer texts are chunked before they come here. */
  readonly maxInputTokens: number | null;
  readonly tokenizer: Tokenizer;
  /**
   * A text that the model will not take is a `RefusedText`, never an error, and does not harm the others.
   * @throws {VecpipeError} `unavailable` when the provider cannot answer; the signal's reason when aborted
   */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<EmbedResult>;
}
