import type { GatewayProviderConfig } from '../../config/provider-config.ts';
import type { RefusedText } from '../../ports/embedding-provider.ts';
import { orStopped } from './cancellation.ts';
import type { Cancellation } from './cancellation.ts';
import type { Clock } from './clock.ts';
import { announcedPauseMs } from './flow-control.ts';
import type { FlowControl, FlowResult } from './flow-control.ts';
import type { GatewayErrors } from './gateway-errors.ts';
import type { Verdict } from './judge-answer.ts';
import { tokensOf } from './pack-requests.ts';
import type { PreparedText, RequestLimits } from './pack-requests.ts';
import type { Outcome, RequestSender } from './request-sender.ts';

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** A page that stands where the API should is not going to turn into it. */
const MOST_BROKEN_ANSWERS = 3;
/** Sent to see whether an endpoint that refuses a text takes any. */
const HARMLESS: PreparedText = { index: 0, text: 'vecpipe', tokens: 1 };

/** Takes results as they come. */
export interface ResultSink {
  embedded(text: PreparedText, vector: Float32Array | RefusedText): void;
  /** Used by one answered request for these texts. */
  used(tokens: number, texts: readonly PreparedText[]): void;
  readonly cancellation: Cancellation;
}

type Final =
  | Extract<Verdict, { kind: 'embedded' | 'refused' }>
  /** Not sent: the endpoint has shown since the texts were packed that it does not take so many. */
  | { kind: 'too_large' };

interface Trouble {
  failures: string[];
  brokenAnswers: number;
  backoffs: number;
  firstSentAtMs: number | null;
  firstFailureAtMs: number | null;
}

/**
 * Sends requests until each of their texts has a vector or is refused. What passes (429, 408, 409, 5xx, a broken
 * connection) is tried again: a 429 until there was no success for the whole provider for `retryMs`, anything else
 * until the request has failed for so long, with pauses that are random between nothing and 0.5 s, 1 s, 2 s … 30 s.
 * A request that is refused is halved until the one text is found that is the reason; halves that are taken both show
 * how much the endpoint takes, and no larger request is sent after that.
 */
export class RequestRunner {
  readonly #config: GatewayProviderConfig;
  readonly #sender: RequestSender;
  readonly #flow: FlowControl;
  readonly #errors: GatewayErrors;
  readonly #clock: Clock;
  readonly #lifetime: Cancellation;
  /** Shrinks with what the endpoint shows. */
  readonly limits: RequestLimits;
  #width: number | null;
  #lastAcceptedAtMs = Number.NEGATIVE_INFINITY;
  #largest = { inputs: 0, tokens: 0 };
  #proof: Promise<void> | null = null;

  constructor(
    config: GatewayProviderConfig,
    sender: RequestSender,
    flow: FlowControl,
    errors: GatewayErrors,
    clock: Clock,
    lifetime: Cancellation,
  ) {
    const { maxInputs, maxTokensPerRequest, maxTokensPerInput } = config;
    this.#config = config;
    this.#sender = sender;
    this.#flow = flow;
    this.#errors = errors;
    this.#clock = clock;
    this.#lifetime = lifetime;
    this.#width = config.dimensions;
    this.limits = { maxInputs, maxTokensPerRequest, maxTokensPerInput };
  }

  /** The width of the endpoint's vectors, asked for with one text where the config does not say. */
  async findWidth(cancellation: Cancellation): Promise<number> {
    if (this.#width !== null) return this.#width;
    const final = await this.#answerTo([HARMLESS], cancellation, true);
    if (final.kind === 'refused') throw this.#errors.refusedRequest(null, final.reason, []);
    const [vector] = final.kind === 'embedded' ? final.vectors : [];
    if (!(vector instanceof Float32Array)) {
      throw this.#errors.contract('a vector without direction to the first text that it was sent', false);
    }
    this.#width = vector.length;
    return vector.length;
  }

  /**
   * @param refusedAtMs when a larger request with these texts was refused first
   * @returns whether all of the texts were taken in one request
   * @throws {VecpipeError} unavailable; the reason of the cancellation
   */
  async run(texts: readonly PreparedText[], sink: ResultSink, refusedAtMs?: number): Promise<boolean> {
    const final = await this.#answerTo(texts, sink.cancellation, refusedAtMs !== undefined);
    if (final.kind === 'too_large') {
      await this.#runHalves(texts, sink, refusedAtMs);
      return false;
    }
    if (final.kind === 'embedded') {
      sink.used(final.tokens ?? tokensOf(texts), texts);
      texts.forEach((text, place) => {
        const vector = final.vectors[place];
        if (vector !== undefined) sink.embedded(text, vector);
      });
      this.#largest.inputs = Math.max(this.#largest.inputs, texts.length);
      this.#largest.tokens = Math.max(this.#largest.tokens, tokensOf(texts));
      return true;
    }
    await this.#proveWorking(
      texts.length === 1 ? (refusedAtMs ?? this.#clock.now()) : Number.NEGATIVE_INFINITY,
      sink,
    );
    const [first] = texts;
    if (texts.length === 1 && first !== undefined) {
      const reason = this.#errors.reasonFor(final.reason, [first.text]);
      const quoted = reason === '' ? '' : `: ${reason}`;
      sink.embedded(first, {
        code: 'provider_rejected_text',
        reason: `the gateway refused the text${quoted}`,
      });
      return true;
    }
    const wereTaken = await this.#runHalves(texts, sink, refusedAtMs ?? this.#clock.now());
    if (wereTaken) this.#learnLimit(texts);
    return false;
  }

  #isTooLarge(texts: readonly PreparedText[]): boolean {
    if (texts.length < 2) return false;
    return texts.length > this.limits.maxInputs || tokensOf(texts) > this.limits.maxTokensPerRequest;
  }

  /** @returns whether both halves were taken as they are */
  async #runHalves(
    texts: readonly PreparedText[],
    sink: ResultSink,
    refusedAtMs: number | undefined,
  ): Promise<boolean> {
    const middle = Math.ceil(texts.length / 2);
    let refused = 0;
    const watching: ResultSink = {
      cancellation: sink.cancellation,
      used: (tokens, those) => sink.used(tokens, those),
      embedded(text, vector) {
        if (!(vector instanceof Float32Array) && vector.code === 'provider_rejected_text') refused += 1;
        sink.embedded(text, vector);
      },
    };
    const halves = [texts.slice(0, middle), texts.slice(middle)];
    const settled = await Promise.allSettled(halves.map((half) => this.run(half, watching, refusedAtMs)));
    const failure = settled.find((half) => half.status === 'rejected');
    if (failure) throw failure.reason;
    return refused === 0 && settled.every((half) => half.status === 'fulfilled' && half.value);
  }

  /** A refused request went through in two halves: it was too large, by count or, where as many went through before, by tokens. */
  #learnLimit(texts: readonly PreparedText[]): void {
    const half = Math.ceil(texts.length / 2);
    if (this.#largest.inputs < texts.length) {
      this.limits.maxInputs = Math.min(this.limits.maxInputs, half);
    } else {
      const tokens = Math.max(tokensOf(texts.slice(0, half)), tokensOf(texts.slice(half)));
      this.limits.maxTokensPerRequest = Math.min(this.limits.maxTokensPerRequest, tokens);
    }
  }

  /**
   * A refusal says something about texts only if others are taken. Where nothing was taken since `sinceMs`, a harmless
   * text is sent: an endpoint that refuses that one, too, refuses the model or a parameter.
   */
  async #proveWorking(sinceMs: number, sink: ResultSink): Promise<void> {
    if (this.#lastAcceptedAtMs > sinceMs) return;
    // For every call that asks meanwhile, so no call's end may be the end of it.
    this.#proof ??= this.#sendHarmlessText().finally(() => {
      this.#proof = null;
    });
    await orStopped(this.#proof, sink.cancellation);
  }

  async #sendHarmlessText(): Promise<void> {
    const final = await this.#answerTo([HARMLESS], this.#lifetime, true);
    if (final.kind === 'refused') throw this.#errors.refusedRequest(null, final.reason, []);
  }

  /**
   * Tries until the endpoint has embedded or refused the request.
   * @param isFirst it goes before requests that have not been sent yet
   */
  async #answerTo(
    texts: readonly PreparedText[],
    cancellation: Cancellation,
    isFirst: boolean,
  ): Promise<Final> {
    const inputs = texts.map(({ text }) => text);
    const tokens = tokensOf(texts);
    const trouble: Trouble = {
      failures: [],
      brokenAnswers: 0,
      backoffs: 0,
      firstSentAtMs: null,
      firstFailureAtMs: null,
    };
    const isWanted = () => !this.#isTooLarge(texts);
    for (let isRetry = false; ; isRetry = true) {
      const slot = await this.#flow.enter(tokens, { isFirst: isFirst || isRetry, isWanted }, cancellation);
      if (slot === null) return { kind: 'too_large' };
      trouble.firstSentAtMs ??= slot.sentAtMs;
      let result: FlowResult = 'other';
      let sent;
      try {
        sent = await this.#sender.send(inputs, this.#width, cancellation);
        result = flowResult(sent.outcome);
      } finally {
        this.#flow.leave(slot, result, sent?.limits ?? null);
      }
      const { outcome, limits } = sent;
      switch (outcome.kind) {
        case 'embedded':
          this.#lastAcceptedAtMs = this.#clock.now();
          return outcome;
        case 'refused':
          return outcome;
        case 'other_encoding':
          break;
        case 'limited':
          trouble.failures.push('429');
          this.#checkLimitedTime(trouble, announcedPauseMs(limits));
          break;
        case 'failed':
          await this.#waitAfterFailure(trouble, outcome, limits?.retryAfterMs ?? null, cancellation);
          break;
        default:
          throw this.#finalError(outcome, inputs);
      }
    }
  }

  #finalError(
    outcome: Exclude<Outcome, { kind: 'embedded' | 'refused' | 'other_encoding' | 'limited' | 'failed' }>,
    inputs: readonly string[],
  ): Error {
    switch (outcome.kind) {
      case 'unauthorized':
        return this.#errors.unauthorized(outcome.status);
      case 'not_found':
        return this.#errors.notFound(outcome.status, outcome.reason, inputs);
      case 'rejected':
        return this.#errors.refusedRequest(outcome.status, outcome.reason, inputs);
      case 'out_of_quota':
        return this.#errors.outOfQuota(outcome.reason, inputs);
      default:
        return this.#errors.contract(outcome.what, outcome.isWidth);
    }
  }

  /** A pause that the endpoint names is waited for, even past the end of the time, but not when it alone is longer. */
  #checkLimitedTime(trouble: Trouble, pauseMs: number): void {
    const { retryMs } = this.#config;
    const nowMs = this.#clock.now();
    const sinceMs = this.#flow.troubleSinceMs;
    const isOver = pauseMs > retryMs || (sinceMs !== null && nowMs - sinceMs >= retryMs);
    if (!isOver) return;
    const error = this.#errors.limited(pauseMs > 0 ? pauseMs : null, attemptsOf(trouble, nowMs));
    this.#flow.giveUp(error);
    throw error;
  }

  async #waitAfterFailure(
    trouble: Trouble,
    { what, isContract }: { what: string; isContract: boolean },
    retryAfterMs: number | null,
    cancellation: Cancellation,
  ): Promise<void> {
    const nowMs = this.#clock.now();
    trouble.failures.push(what);
    trouble.firstFailureAtMs ??= nowMs;
    if (isContract) trouble.brokenAnswers += 1;
    const attempts = attemptsOf(trouble, nowMs);
    if (trouble.brokenAnswers >= MOST_BROKEN_ANSWERS) throw this.#errors.brokenAnswers(attempts);
    const { retryMs } = this.#config;
    if (retryAfterMs !== null && retryAfterMs > retryMs) throw this.#errors.limited(retryAfterMs, attempts);
    // With a pause that the endpoint names the gate is closed, which is pause enough.
    const delayMs =
      (retryAfterMs ?? 0) > 0
        ? 0
        : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** trouble.backoffs++) * this.#clock.random();
    const isOver = nowMs + delayMs - trouble.firstFailureAtMs > retryMs || retryMs === 0;
    if (isOver) throw isContract ? this.#errors.brokenAnswers(attempts) : this.#errors.gaveUp(attempts);
    await this.#pause(delayMs, cancellation);
  }

  async #pause(delayMs: number, cancellation: Cancellation): Promise<void> {
    if (delayMs <= 0) return;
    let cancelTimer: (() => void) | undefined;
    try {
      const passed = new Promise<void>((resolve) => {
        cancelTimer = this.#clock.after(delayMs, resolve);
      });
      await orStopped(passed, cancellation);
    } finally {
      cancelTimer?.();
    }
  }
}

function flowResult(outcome: Outcome): FlowResult {
  if (outcome.kind === 'limited') return 'limited';
  if (outcome.kind === 'failed') return outcome.isCongestion ? 'congested' : 'other';
  // An answer about the request is an answer: the endpoint took the time to look at it.
  return outcome.kind === 'embedded' ||
    outcome.kind === 'refused' ||
    outcome.kind === 'other_encoding' ||
    outcome.kind === 'broken'
    ? 'accepted'
    : 'other';
}

function attemptsOf({ failures, firstSentAtMs }: Trouble, nowMs: number) {
  return { failures, elapsedMs: nowMs - (firstSentAtMs ?? nowMs) };
}
