import type { GatewayProviderConfig } from '../../config/provider-config.ts';
import type { Report } from '../../ports/run-events.ts';
import type { Cancellation } from './cancellation.ts';
import type { Clock } from './clock.ts';
import { describeConnectionFailure } from './connection-failure.ts';
import type { EmbeddingsRequest, GatewayClient } from './gateway-client.ts';
import { judgeAnswer } from './judge-answer.ts';
import type { Verdict } from './judge-answer.ts';
import type { LimitHeaders } from './limit-headers.ts';

export type Outcome = Verdict | { kind: 'other_encoding' };

export interface Sent {
  outcome: Outcome;
  limits: LimitHeaders | null;
}

type Encoding = EmbeddingsRequest['encoding_format'];

/**
 * Sends one request and says what came of it. Asks for base64 until an endpoint has shown that it cannot: by a vector
 * that cannot be what was asked for, or by refusing the parameter. From then on it asks for lists of numbers.
 */
export class RequestSender {
  readonly #config: GatewayProviderConfig;
  readonly #client: GatewayClient;
  readonly #clock: Clock;
  readonly #report: Report;
  #encoding: Encoding;

  constructor(config: GatewayProviderConfig, client: GatewayClient, clock: Clock, report: Report) {
    this.#config = config;
    this.#client = client;
    this.#clock = clock;
    this.#report = report;
    this.#encoding = config.encodingFormat;
  }

  /**
   * Never rejects but with the reason of an abort.
   * @param width that vectors must have; null asks for numbers, whose width no encoding can belie
   */
  async send(texts: readonly string[], width: number | null, cancellation: Cancellation): Promise<Sent> {
    const { model, dimensions, sendDimensions } = this.#config;
    const encoding = width === null ? 'float' : this.#encoding;
    const request: EmbeddingsRequest = {
      model,
      input: texts,
      encoding_format: encoding,
      ...(sendDimensions && dimensions !== null && { dimensions }),
    };
    const controller = new AbortController();
    let isTimeout = false;
    const cancelTimer = this.#clock.after(this.#config.timeoutMs, () => {
      isTimeout = true;
      controller.abort();
    });
    const forget = cancellation.whenAborted(() => controller.abort());
    try {
      if (cancellation.isAborted) throw cancellation.reason;
      const answer = await this.#client.post(request, controller.signal);
      const verdict = judgeAnswer(answer, texts.length, width);
      return {
        outcome: this.#isOtherEncoding(verdict, encoding) ? { kind: 'other_encoding' } : verdict,
        limits: answer.limits,
      };
    } catch (error) {
      if (cancellation.isAborted) throw cancellation.reason;
      const what = isTimeout ? 'timeout' : describeConnectionFailure(error);
      const isCongestion = what === 'timeout';
      return { outcome: { kind: 'failed', what, isCongestion, isContract: false }, limits: null };
    } finally {
      cancelTimer();
      forget();
    }
  }

  #isOtherEncoding(verdict: Verdict, encoding: Encoding): boolean {
    if (encoding === 'float') return false;
    const isUnreadable = verdict.kind === 'broken' && verdict.isBase64;
    const isRefused = verdict.kind === 'refused' && /encoding[ _-]?format|base64/i.test(verdict.reason);
    if (!isUnreadable && !isRefused) return false;
    if (this.#encoding === 'base64') {
      this.#encoding = 'float';
      this.#report({
        type: 'notice',
        message: `provider ${this.#config.name} ${isRefused ? 'does not take encoding_format: base64' : 'answers base64 that cannot be right'}; it is asked for lists of numbers from now on (\`encodingFormat: float\` of the provider saves the try)`,
      });
    }
    return true;
  }
}
