import type { Schemas } from '@qdrant/js-client-rest';
import type { Payload, Point, RowChunks } from '../../ports/vector-store.ts';
import { collectionMissing } from '../collection-errors.ts';
import { splitBatches } from '../split-batches.ts';
import { collectionPath, type QdrantApi } from './qdrant-api.ts';
import { idsJson } from './qdrant-ids.ts';
import {
  deletionBodies,
  MAX_POINTS_PER_REQUEST,
  payloadBodies,
  upsertBodies,
  type OperationsBody,
} from './qdrant-points.ts';
import { recordsShape, updateShape } from './qdrant-shapes.ts';

/** Rounds of `setPayload` over one batch: points can vanish between asking which exist and writing. */
const MAX_PAYLOAD_ROUNDS = 5;

/** Writes to the points of a Qdrant. Every write waits until Qdrant says that it is completed. */
export class QdrantWriter {
  readonly #api: QdrantApi;

  constructor(api: QdrantApi) {
    this.#api = api;
  }

  async upsert(collection: string, points: readonly Point[], signal: AbortSignal | undefined): Promise<void> {
    const action = `store points in the collection ${collection}`;
    for (const body of upsertBodies(points)) {
      const request = { method: 'PUT', rest: '/points?wait=true', body } as const;
      const { status } = await this.#api.inCollection(collection, request, updateShape, action, signal);
      this.#api.confirm(status, action);
    }
  }

  /** @returns the ids that do not exist */
  async setPayload(
    collection: string,
    points: readonly { id: string; payload: Payload }[],
    signal: AbortSignal | undefined,
  ): Promise<string[]> {
    const missing = new Set<string>();
    const limits = { maxItems: MAX_POINTS_PER_REQUEST, maxBytes: Infinity };
    for (const batch of splitBatches(points, limits, () => 0)) {
      let rest = batch;
      for (let round = 1; !(await this.#overwritePayloads(collection, rest, round, signal)); round++) {
        // Qdrant stops at the first id that does not exist, and leaves the ones after it as they were.
        const ids = rest.map(({ id }) => id);
        const existing = await this.#existingIds(collection, ids, signal);
        for (const id of ids) if (!existing.has(id)) missing.add(id);
        rest = rest.filter(({ id }) => existing.has(id));
      }
    }
    return [...missing];
  }

  /** False when one of the points does not exist and another round may find out which. */
  async #overwritePayloads(
    collection: string,
    points: readonly { id: string; payload: Payload }[],
    round: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const action = `change payloads in the collection ${collection}`;
    for (const body of payloadBodies(points)) {
      const answer = await this.#runOperations(collection, body, signal);
      if (!answer.ok && answer.status === 404 && round < MAX_PAYLOAD_ROUNDS) return false;
      this.#api.confirmAll(answer, body.operations, action);
    }
    return true;
  }

  async #existingIds(
    collection: string,
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlySet<string | number>> {
    const action = `look up points of the collection ${collection}`;
    const body: Schemas['PointRequest'] = { ids: [...ids], with_payload: false, with_vector: false };
    const request = { method: 'POST', rest: '/points', body: JSON.stringify(body) } as const;
    const records = await this.#api.inCollection(collection, request, recordsShape, action, signal);
    return new Set(records.map(({ id }) => id));
  }

  async deleteChunks(
    collection: string,
    rows: readonly RowChunks[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const body of deletionBodies(rows)) {
      const answer = await this.#runOperations(collection, body, signal);
      if (!answer.ok && answer.status === 404) throw collectionMissing('Qdrant', collection);
      this.#api.confirmAll(answer, body.operations, `delete points from the collection ${collection}`);
    }
  }

  async deletePoints(
    collection: string,
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const action = `delete points from the collection ${collection}`;
    const limits = { maxItems: MAX_POINTS_PER_REQUEST, maxBytes: Infinity };
    for (const batch of splitBatches(ids, limits, () => 0)) {
      const body = `{"points":${idsJson(batch)}}`;
      const request = { method: 'POST', rest: '/points/delete?wait=true', body } as const;
      const { status } = await this.#api.inCollection(collection, request, updateShape, action, signal);
      this.#api.confirm(status, action);
    }
  }

  #runOperations(collection: string, { text }: OperationsBody, signal: AbortSignal | undefined) {
    const path = collectionPath(collection, '/points/batch?wait=true');
    return this.#api.send({ method: 'POST', path, body: text }, signal);
  }
}
