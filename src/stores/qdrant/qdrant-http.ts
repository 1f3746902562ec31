import { setMaxListeners } from 'node:events';
import { Agent } from 'undici';
import { pause, waitOrAbort } from '../../lifetime/abort.ts';
import { readAnswer, type QdrantAnswer } from './qdrant-answer.ts';
import { openCallWindow } from '../../lifetime/call-window.ts';
import {
  connectionFailure,
  storeNotQdrant,
  storeRefusesSize,
  storeTls,
  storeUnauthorized,
  storeUnreachable,
} from './qdrant-errors.ts';
import { isPassingStatus, pauseAfterAttempt, retryAfterMs, type RetryPolicy } from './qdrant-retry.ts';
import type { QdrantUrl } from './qdrant-url.ts';

export interface QdrantRequest {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** From the first slash after the address on, encoded, query included. */
  path: string;
  /** JSON. */
  body?: string | Uint8Array;
  /** Reads an answer that does not come in Qdrant's usual envelope; null when it is not in the expected form. */
  readAnswer?: (status: number, text: string) => QdrantAnswer | null;
  /** In place of the policy's deadline and of the time limit for the answer, for work that Qdrant does slowly. */
  deadlineMs?: number;
}

export interface QdrantHttpOptions {
  url: QdrantUrl;
  apiKey: string | null;
  connectTimeoutMs: number;
  /** From the end of the request to the first byte of the answer, and between two parts of it. */
  answerTimeoutMs: number;
}

interface Exchanged {
  status: number;
  /** The header as it is. */
  retryAfter: string | undefined;
  text: string;
}

/** What an attempt that can be repeated came to. */
interface Failure {
  reason: string;
  retryAfterMs: number;
  cause: unknown;
}

/** Requests under way at once; more of them wait for a connection. */
const MAX_CONNECTIONS = 32;

/**
 * Qdrant's REST API over connections of our own. Every request ends: with an answer, with an error once its retries
 * or its deadline are used up, or as soon as its signal aborts. All requests of the store can be repeated safely.
 * Disposal ends every connection, also one that is being made.
 */
export class QdrantHttp implements AsyncDisposable {
  readonly #url: QdrantUrl;
  readonly #headers: Record<string, string>;
  readonly #keyGiven: boolean;
  readonly #answerTimeoutMs: number;
  readonly #agent: Agent;
  readonly #closing = new AbortController();
  #disposal: Promise<void> | undefined;

  constructor({ url, apiKey, connectTimeoutMs, answerTimeoutMs }: QdrantHttpOptions) {
    this.#url = url;
    this.#keyGiven = apiKey !== null;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#headers = { accept: 'application/json', 'content-type': 'application/json' };
    if (apiKey !== null) this.#headers['api-key'] = apiKey;
    if (url.basicAuthorization !== null) this.#headers['authorization'] = url.basicAuthorization;
    const { signal } = this.#closing;
    // Each connection listens for the end of the store.
    setMaxListeners(0, signal);
    // Without the signal, destroying the agent would wait for a connection that is being made until it times out.
    this.#agent = new Agent({ connections: MAX_CONNECTIONS, connect: { timeout: connectTimeoutMs, signal } });
  }

  /** The address, for messages. */
  get shown(): string {
    return this.#url.shown;
  }

  /**
   * Sends a request, again when it may help, and reads the answer.
   * @returns the result, or Qdrant's reason for refusing (404, 409, 422 …), which means something else to each caller
   * @throws {VecpipeError} `store_unreachable`, `store_unauthorized`, `store_not_qdrant` or `store_tls`; the signal's
   *   reason when aborted
   */
  async send(request: QdrantRequest, policy: RetryPolicy, signal?: AbortSignal): Promise<QdrantAnswer> {
    using window = openCallWindow([signal, this.#closing.signal], request.deadlineMs ?? policy.deadlineMs);
    for (let attempt = 1; ; attempt++) {
      window.throwIfStopped();
      const outcome = await this.#attempt(request, window.signal);
      if ('ok' in outcome) return outcome;
      window.throwIfStopped();
      if (window.signal.aborted) {
        throw storeUnreachable(this.shown, `no answer within ${window.deadlineMs / 1000} s`, outcome.cause);
      }
      const pauseMs = pauseAfterAttempt(attempt, outcome.retryAfterMs);
      if (attempt >= policy.maxAttempts || pauseMs >= window.remainingMs()) {
        throw storeUnreachable(this.shown, outcome.reason, outcome.cause);
      }
      await pause(pauseMs, window.signal);
    }
  }

  async #attempt(request: QdrantRequest, signal: AbortSignal): Promise<QdrantAnswer | Failure> {
    let exchanged: Exchanged;
    try {
      // undici looks at the signal only once it has a connection, which may take as long as making one may.
      exchanged = await waitOrAbort(this.#exchange(request, signal), signal);
    } catch (error) {
      return this.#failedConnection(error, signal);
    }
    const { status, retryAfter, text } = exchanged;
    if (status === 401 || status === 403) throw storeUnauthorized(this.shown, this.#keyGiven);
    if (status === 413) throw storeRefusesSize(this.shown, request.body?.length ?? 0);
    const answer = (request.readAnswer ?? readAnswer)(status, text);
    if (isPassingStatus(status)) {
      const message =
        answer && !answer.ok && answer.message !== '' ? `: ${answer.message.slice(0, 200)}` : '';
      return {
        reason: `it answered ${status}${message}`,
        retryAfterMs: retryAfterMs(retryAfter),
        cause: undefined,
      };
    }
    if (!answer) throw storeNotQdrant(this.shown, `the answer (status ${status}) is not in Qdrant's form`);
    return answer;
  }

  async #exchange(request: QdrantRequest, signal: AbortSignal): Promise<Exchanged> {
    const answerTimeoutMs = request.deadlineMs ?? this.#answerTimeoutMs;
    const { statusCode, headers, body } = await this.#agent.request({
      origin: this.#url.origin,
      path: this.#url.basePath + request.path,
      method: request.method,
      headers: this.#headers,
      body: request.body ?? null,
      signal,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: answerTimeoutMs,
    });
    const retryAfter = headers['retry-after'];
    return {
      status: statusCode,
      retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      text: await body.text(),
    };
  }

  #failedConnection(error: unknown, signal: AbortSignal): Failure {
    if (signal.aborted) return { reason: 'the request was given up', retryAfterMs: 0, cause: undefined };
    const failure = connectionFailure(error);
    if (!failure) throw error;
    if (failure.kind === 'foreign') throw storeNotQdrant(this.shown, failure.reason, error);
    if (failure.kind === 'tls') throw storeTls(this.shown, failure.reason, failure.hint, error);
    return { reason: failure.reason, retryAfterMs: 0, cause: error };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#close();
    return this.#disposal;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new Error('the Qdrant store is closed'));
    await this.#agent.destroy();
  }
}
