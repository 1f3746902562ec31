import type { EmbedResult, RefusedText, Tokenizer } from '../../ports/embedding-provider.ts';
import type { WorkSlice } from '../../util/work-slice.ts';
import { Cancellation } from './cancellation.ts';
import { packRequests } from './pack-requests.ts';
import type { PreparedText } from './pack-requests.ts';
import type { RequestRunner, ResultSink } from './request-runner.ts';
import type { Bought, UndeliveredVectors } from './undelivered-vectors.ts';

const EMPTY: RefusedText = { code: 'provider_rejected_text', reason: 'the text is empty' };

/** One call of `embed`: its texts, what came back for them, and its end. */
export class EmbedCall implements ResultSink {
  readonly cancellation = new Cancellation();
  readonly #texts: readonly string[];
  readonly #undelivered: UndeliveredVectors;
  readonly #results: (Float32Array | RefusedText | undefined)[];
  /** What was paid for, by place: text as it was sent and its part of the tokens. */
  readonly #bought = new Map<number, Bought & { text: string }>();
  readonly #shares = new Map<number, number>();

  /** @param texts with their prefix; null for one that is empty */
  constructor(texts: readonly (string | null)[], undelivered: UndeliveredVectors) {
    this.#texts = texts.map((text) => text ?? '');
    this.#undelivered = undelivered;
    this.#results = texts.map((text) => (text === null ? EMPTY : undefined));
  }

  /** @throws what the first failing request failed with, or the reason of the abort */
  async run(runner: RequestRunner, tokenizer: Tokenizer, slice: WorkSlice): Promise<EmbedResult> {
    try {
      const prepared = await this.#prepare(tokenizer, slice);
      const requests = packRequests(prepared, runner.limits);
      await Promise.allSettled(requests.map((request) => this.#runRequest(runner, request)));
      this.cancellation.throwIfStopped();
      const vectors = this.#results.map((result) => {
        if (result === undefined) throw new Error('a text was neither embedded nor refused');
        return result;
      });
      return { vectors, tokens: this.#usedTokens() };
    } catch (error) {
      for (const [, { text, vector, tokens }] of this.#bought)
        this.#undelivered.keep(text, { vector, tokens });
      throw error;
    }
  }

  embedded({ index, text }: PreparedText, vector: Float32Array | RefusedText): void {
    this.#results[index] = vector;
    const tokens = this.#shares.get(index) ?? 0;
    if (vector instanceof Float32Array) this.#bought.set(index, { text, vector, tokens });
  }

  used(tokens: number, texts: readonly PreparedText[]): void {
    const estimated = texts.reduce((sum, text) => sum + text.tokens, 0);
    for (const text of texts) {
      const part = estimated > 0 ? text.tokens / estimated : 1 / texts.length;
      this.#shares.set(text.index, tokens * part);
    }
  }

  async #runRequest(runner: RequestRunner, request: readonly PreparedText[]): Promise<void> {
    try {
      await runner.run(request, this);
    } catch (error) {
      // What is on the wire comes back; what waits is given up.
      this.cancellation.stop(error);
    }
  }

  async #prepare(tokenizer: Tokenizer, slice: WorkSlice): Promise<PreparedText[]> {
    const prepared: PreparedText[] = [];
    slice.begin();
    for (const [index, text] of this.#texts.entries()) {
      if (this.#results[index] !== undefined) continue;
      const bought = this.#undelivered.take(text);
      if (bought === null) {
        prepared.push({ index, text, tokens: tokenizer.count(text) });
      } else {
        this.#shares.set(index, bought.tokens);
        this.embedded({ index, text, tokens: 0 }, bought.vector);
      }
      if (slice.isOver()) {
        await slice.rest(undefined);
        this.cancellation.throwIfStopped();
      }
    }
    slice.end();
    return prepared;
  }

  #usedTokens(): number {
    let tokens = 0;
    for (const share of this.#shares.values()) tokens += share;
    return Math.round(tokens);
  }
}
