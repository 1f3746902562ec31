import type { GatewayProviderConfig } from '../../config/provider-config.ts';
import type {
  EmbeddingProvider,
  EmbedOptions,
  EmbedResult,
  OpenProviderOptions,
  Tokenizer,
} from '../../ports/embedding-provider.ts';
import { WorkSlice } from '../../util/work-slice.ts';
import { Cancellation } from './cancellation.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { EmbedCall } from './embed-call.ts';
import { FlowControl } from './flow-control.ts';
import { openGatewayClient } from './gateway-client.ts';
import type { GatewayClient } from './gateway-client.ts';
import { GatewayErrors, checkApiKey } from './gateway-errors.ts';
import { openGatewayTokenizer } from './gateway-tokenizer.ts';
import { RequestRunner } from './request-runner.ts';
import { RequestSender } from './request-sender.ts';
import { SignalHub } from './signal-hub.ts';
import { UndeliveredVectors } from './undelivered-vectors.ts';

/** Texts a call: many requests' worth, as packing them is done here. */
const MAX_BATCH_SIZE = 2048;

/** What a test replaces. */
export interface GatewaySurroundings {
  clock?: Clock;
}

/**
 * Opens an endpoint that speaks the OpenAI embeddings protocol. Nothing is sent when the config says how wide the
 * vectors are; else one text is, to find out. Connections belong to the provider and are closed with it.
 *
 * A call is packed into requests by number of texts and tokens, which are sent at once as far as the endpoint allows:
 * see `FlowControl` for the pace, `RequestRunner` for what is tried again and how one bad text is found,
 * `RequestSender` for the encoding, `readEmbeddings` for what is checked in an answer.
 *
 * @throws {VecpipeError} usage: `api_key_missing`, `api_key_invalid`, `tokenizer_unreadable`, `model_invalid` or
 * `model_unsupported` (of the tokenizer); unavailable, where the width is asked for, as `embed` does; the signal's
 * reason when aborted
 */
export async function openGatewayProvider(
  config: GatewayProviderConfig,
  options: OpenProviderOptions = {},
  { clock = systemClock }: GatewaySurroundings = {},
): Promise<EmbeddingProvider> {
  const { signal } = options;
  signal?.throwIfAborted();
  checkApiKey(config);
  const tokenizer = await openGatewayTokenizer(config.name, config.tokenizer, options);
  signal?.throwIfAborted();
  const provider = new GatewayProvider(config, tokenizer, await openGatewayClient(config), options, clock);
  try {
    await provider.findWidth(signal);
    return provider;
  } catch (error) {
    await provider[Symbol.asyncDispose]();
    throw error;
  }
}

class GatewayProvider implements EmbeddingProvider {
  readonly kind = 'gateway';
  readonly modelId: string;
  readonly variant: string | null;
  readonly requestLimits: { inputs: number; tokens: number };
  readonly maxBatchSize = MAX_BATCH_SIZE;
  readonly maxConcurrency: number;
  readonly maxInputTokens: number;
  readonly tokenizer: Tokenizer;
  readonly #config: GatewayProviderConfig;
  readonly #client: GatewayClient;
  readonly #errors: GatewayErrors;
  readonly #flow: FlowControl;
  readonly #runner: RequestRunner;
  readonly #lifetime = new Cancellation();
  readonly #calls = new Set<Cancellation>();
  readonly #signals = new SignalHub();
  readonly #undelivered = new UndeliveredVectors();
  #dimensions = 0;
  #disposal: Promise<void> | undefined;

  constructor(
    config: GatewayProviderConfig,
    tokenizer: Tokenizer,
    client: GatewayClient,
    { report = () => {} }: OpenProviderOptions,
    clock: Clock,
  ) {
    this.modelId = config.modelId;
    const { passagePrefix } = config;
    this.variant =
      passagePrefix === null || passagePrefix === '' ? null : `prefix ${JSON.stringify(passagePrefix)}`;
    this.requestLimits = { inputs: config.maxInputs, tokens: config.maxTokensPerRequest };
    // A call of one request's size is one request.
    this.maxConcurrency = config.maxConcurrency;
    this.maxInputTokens = config.maxTokensPerInput;
    this.tokenizer = tokenizer;
    this.#config = config;
    this.#client = client;
    const errors = new GatewayErrors(config, client.shownUrl);
    const { maxConcurrency, requestsPerMinute, retryMs } = config;
    const limits = { maxConcurrency, requestsPerMinute, longestPauseMs: retryMs };
    this.#errors = errors;
    this.#flow = new FlowControl(limits, clock, (waitMs) => errors.limited(waitMs, null));
    const sender = new RequestSender(config, client, clock, report);
    this.#runner = new RequestRunner(config, sender, this.#flow, errors, clock, this.#lifetime);
  }

  get dimensions(): number {
    return this.#dimensions;
  }

  async findWidth(signal: AbortSignal | undefined): Promise<void> {
    this.#dimensions = await this.#underSignal(new Cancellation(), signal, (cancellation) =>
      this.#runner.findWidth(cancellation),
    );
  }

  /**
   * `tokens` is what the endpoint says it used, and `tokenizer.count` for requests of which it says nothing; requests
   * that were refused or failed count nothing. When the call fails, what was bought in it is kept for the next call
   * with the same text.
   *
   * @throws {VecpipeError} unavailable: `provider_unavailable`, `provider_rate_limited`, `provider_quota`,
   * `provider_auth`, `provider_not_found`, `provider_refused_request` or `provider_contract`; the signal's reason when
   * aborted
   */
  async embed(
    texts: readonly string[],
    { signal, purpose = 'passage' }: EmbedOptions = {},
  ): Promise<EmbedResult> {
    signal?.throwIfAborted();
    if (this.#disposal) throw this.#errors.disposed();
    const { queryPrefix, passagePrefix } = this.#config;
    const prefix = (purpose === 'query' ? queryPrefix : passagePrefix) ?? '';
    const call = new EmbedCall(
      texts.map((text) => (text === '' ? null : prefix + text)),
      this.#undelivered,
    );
    return this.#underSignal(call.cancellation, signal, () =>
      call.run(this.#runner, this.tokenizer, new WorkSlice()),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#close();
    return this.#disposal;
  }

  async #underSignal<Result>(
    cancellation: Cancellation,
    signal: AbortSignal | undefined,
    work: (cancellation: Cancellation) => Promise<Result>,
  ): Promise<Result> {
    const forget = signal && this.#signals.listen(signal, () => cancellation.abort(signal.reason));
    this.#calls.add(cancellation);
    try {
      return await work(cancellation);
    } finally {
      this.#calls.delete(cancellation);
      forget?.();
    }
  }

  async #close(): Promise<void> {
    const reason = this.#errors.disposed();
    this.#flow.end(reason);
    this.#lifetime.abort(reason);
    for (const cancellation of this.#calls) cancellation.abort(reason);
    await this.#client[Symbol.asyncDispose]();
    this.#undelivered.clear();
  }
}
