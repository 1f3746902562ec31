import { creditMicros } from '../../credits/credits.ts';
import { unavailableError, VecpipeError } from '../../errors/vecpipe-error.ts';
import type { Outage } from '../../lifetime/outage.ts';
import type {
  EmbeddingProvider,
  EmbedOptions,
  EmbedResult,
  Tokenizer,
} from '../../ports/embedding-provider.ts';
import type { Report } from '../../ports/run-events.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { refuseOther } from './refuse-other.ts';

/** One provider of a route. */
export interface RouteMember {
  /** Its name in the config. */
  name: string;
  pricePerMillionTokens: number | null;
  creditsPerMillionTokens: number;
  /** Shared by all routes to the same provider. */
  breaker: CircuitBreaker;
}

export interface RouteParts {
  primary: RouteMember & { provider: EmbeddingProvider; keepVectorsBytes: number | null };
  /** Opened at the first call that needs it. */
  fallback: (RouteMember & { open: (signal: AbortSignal | undefined) => Promise<EmbeddingProvider> }) | null;
  report: Report;
  /** Waits while neither of them answers; null or left out: such a call fails. */
  outage?: Outage | null;
}

/**
 * A provider and the one that steps in while it is down, behind one port. What it says of itself is what the
 * provider says: the fallback serves the same model. It owns neither of them; the router disposes.
 */
export class ProviderRoute implements EmbeddingProvider {
  readonly kind: string;
  readonly modelId: string;
  readonly variant: string | null;
  readonly dimensions: number;
  readonly maxBatchSize: number;
  readonly maxConcurrency: number;
  readonly requestLimits: { inputs: number; tokens: number } | null;
  readonly maxInputTokens: number | null;
  readonly tokenizer: Tokenizer;
  readonly pricePerMillionTokens: number | null;
  readonly creditsPerMillionTokens: number;
  /** See the provider's config. */
  readonly keepVectorsBytes: number | null;
  readonly #parts: RouteParts;
  #isSteppingInSaid = false;

  constructor(parts: RouteParts) {
    const { provider, pricePerMillionTokens, creditsPerMillionTokens, keepVectorsBytes } = parts.primary;
    this.kind = provider.kind;
    this.modelId = provider.modelId;
    this.variant = provider.variant;
    this.dimensions = provider.dimensions;
    this.maxBatchSize = provider.maxBatchSize;
    this.maxConcurrency = provider.maxConcurrency;
    this.requestLimits = provider.requestLimits;
    this.maxInputTokens = provider.maxInputTokens;
    this.tokenizer = provider.tokenizer;
    this.pricePerMillionTokens = pricePerMillionTokens;
    this.creditsPerMillionTokens = creditsPerMillionTokens;
    this.keepVectorsBytes = keepVectorsBytes;
    this.#parts = parts;
  }

  /** Whether a vector may cost money, whoever serves it. */
  get isPriced(): boolean {
    const { primary, fallback } = this.#parts;
    return (primary.pricePerMillionTokens ?? 0) > 0 || (fallback?.pricePerMillionTokens ?? 0) > 0;
  }

  /** Credits for a million tokens at the most, whoever serves them. */
  get mostCreditsPerMillionTokens(): number {
    const { primary, fallback } = this.#parts;
    return Math.max(primary.creditsPerMillionTokens, fallback?.creditsPerMillionTokens ?? 0);
  }

  /**
   * Asks the provider, and the fallback when the provider is unavailable. `cost`, `creditMicros` and `byFallback` are filled
   * in. When neither answers, but one of them has before, both are asked again for as long as an outage may last.
   * @throws {VecpipeError} what the provider threw; `unavailable`, code `provider_down`, while its circuit is
   *   open. An error of the fallback is reported as a warning and never takes that one's place.
   */
  embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EmbedResult> {
    const { outage } = this.#parts;
    if (!outage) return this.#embedOnce(texts, options);
    return outage.run((attempt) => this.#embedOnce(texts, { ...options, ...attempt }), options.signal);
  }

  async #embedOnce(texts: readonly string[], options: EmbedOptions): Promise<EmbedResult> {
    const { primary, fallback } = this.#parts;
    try {
      return await this.#ask(primary, primary.provider, texts, options);
    } catch (error) {
      if (fallback === null || !(error instanceof VecpipeError) || error.family !== 'unavailable')
        throw error;
      const result = await this.#stepIn(fallback, error, texts, options);
      if (result === null) throw error;
      return { ...result, byFallback: true };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #ask(
    member: RouteMember,
    provider: EmbeddingProvider,
    texts: readonly string[],
    options: EmbedOptions,
  ): Promise<EmbedResult> {
    const { breaker, name, pricePerMillionTokens, creditsPerMillionTokens } = member;
    const { refusal } = breaker;
    if (refusal !== null) {
      throw unavailableError(
        'provider_down',
        `provider ${name} is not asked for a while, since it has failed again and again: ${refusal.message}`,
        refusal.hint ?? 'run the same command again later; its rows wait in the queue',
        refusal,
      );
    }
    const result = await breaker.run(() => callInSlices(provider, texts, options));
    return {
      ...result,
      cost: (result.tokens * (pricePerMillionTokens ?? 0)) / 1e6,
      creditMicros: creditMicros(result.tokens, creditsPerMillionTokens),
    };
  }

  /** @returns null when the fallback cannot help either */
  async #stepIn(
    fallback: NonNullable<RouteParts['fallback']>,
    reason: VecpipeError,
    texts: readonly string[],
    options: EmbedOptions,
  ): Promise<EmbedResult | null> {
    const { primary, report } = this.#parts;
    try {
      const provider = await fallback.open(options.signal);
      refuseOther(this, primary.name, provider, fallback.name);
      const result = await this.#ask(fallback, provider, texts, options);
      // Its limits may be narrower than the provider's: what it refuses is no verdict on the text.
      if (result.vectors.some((vector) => !(vector instanceof Float32Array))) {
        throw new Error(`it refuses a text that ${primary.name} may take`);
      }
      this.#saySteppingIn(fallback.name, reason);
      return result;
    } catch (error) {
      options.signal?.throwIfAborted();
      report({
        type: 'warning',
        message: `provider ${fallback.name} cannot step in for ${primary.name}: ${errorMessage(error)}`,
      });
      return null;
    }
  }

  #saySteppingIn(name: string, reason: VecpipeError): void {
    if (this.#isSteppingInSaid) return;
    this.#isSteppingInSaid = true;
    const message = `provider ${name} steps in for ${this.#parts.primary.name}, which is unavailable: ${reason.message}`;
    this.#parts.report({ type: 'warning', message });
  }
}

/** The caller keeps to the limits of the route's own provider; the fallback may take less at once. */
async function callInSlices(
  provider: EmbeddingProvider,
  texts: readonly string[],
  options: EmbedOptions,
): Promise<EmbedResult> {
  if (texts.length <= provider.maxBatchSize) return provider.embed(texts, options);
  const whole: EmbedResult = { vectors: [], tokens: 0 };
  for (let start = 0; start < texts.length; start += provider.maxBatchSize) {
    const part = await provider.embed(texts.slice(start, start + provider.maxBatchSize), options);
    whole.vectors.push(...part.vectors);
    whole.tokens += part.tokens;
  }
  return whole;
}
