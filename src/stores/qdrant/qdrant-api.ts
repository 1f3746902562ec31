import type { z } from 'zod';
import { collectionMissing } from '../collection-errors.ts';
import type { QdrantAnswer } from './qdrant-answer.ts';
import { storeNotConfirmed, storeNotOptimized, storeNotQdrant, storeRefused } from './qdrant-errors.ts';
import type { QdrantHttp, QdrantRequest } from './qdrant-http.ts';
import type { RetryPolicy } from './qdrant-retry.ts';
import { updatesShape } from './qdrant-shapes.ts';

/** An index over a collection that is full already takes Qdrant a while; so does deleting one. */
export const SLOW_DEADLINE_MS = 600_000;

/** `/collections/{name}` and what follows it, with the name encoded. */
export function collectionPath(collection: string, rest: string = ''): string {
  return `/collections/${encodeURIComponent(collection)}${rest}`;
}

/** Requests whose answers are checked before anyone relies on them. `action` completes "Qdrant refused to …". */
export class QdrantApi {
  readonly #http: QdrantHttp;
  readonly #policy: RetryPolicy;

  constructor(http: QdrantHttp, policy: RetryPolicy) {
    this.#http = http;
    this.#policy = policy;
  }

  /** The result, or Qdrant's refusal for callers that know what it means. */
  send(request: QdrantRequest, signal: AbortSignal | undefined): Promise<QdrantAnswer> {
    return this.#http.send(request, this.#policy, signal);
  }

  /** Reads an answer that must be a result of the given shape. */
  result<Shape extends z.ZodType>(answer: QdrantAnswer, shape: Shape, action: string): z.infer<Shape> {
    if (!answer.ok) throw this.refused(answer, action);
    const parsed = shape.safeParse(answer.result);
    if (!parsed.success) throw this.unexpected(action, parsed.error);
    return parsed.data;
  }

  /** A request to a collection that must exist. */
  async inCollection<Shape extends z.ZodType>(
    collection: string,
    request: { method: 'POST' | 'PUT'; rest: string; body: string | Uint8Array } & Pick<
      QdrantRequest,
      'readAnswer'
    >,
    shape: Shape,
    action: string,
    signal: AbortSignal | undefined,
  ): Promise<z.infer<Shape>> {
    const { rest, ...sent } = request;
    const answer = await this.send({ ...sent, path: collectionPath(collection, rest) }, signal);
    if (!answer.ok && answer.status === 404) throw collectionMissing('Qdrant', collection);
    return this.result(answer, shape, action);
  }

  /** Reads the answers to a batch of operations, all of which must be completed. */
  confirmAll(answer: QdrantAnswer, operations: number, action: string): void {
    const updates = this.result(answer, updatesShape, action);
    if (updates.length !== operations) throw this.unexpected(action);
    for (const { status } of updates) this.confirm(status, action);
  }

  /** A write that is merely acknowledged is not stored and may be lost. */
  confirm(status: string, action: string): void {
    if (status !== 'completed') throw storeNotConfirmed(this.#http.shown, action, status);
  }

  notOptimized(collection: string, reason: string): Error {
    return storeNotOptimized(this.#http.shown, collection, reason);
  }

  refused(answer: { status: number; message: string }, action: string): Error {
    return storeRefused(this.#http.shown, action, answer.status, answer.message);
  }

  unexpected(action: string, cause?: unknown): Error {
    return storeNotQdrant(this.#http.shown, `its answer to the request to ${action} has another form`, cause);
  }
}
