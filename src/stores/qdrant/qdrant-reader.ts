import type { Schemas } from '@qdrant/js-client-rest';
import type {
  Payload,
  PayloadPart,
  PointFilter,
  ScoredPoint,
  ScrollOptions,
  SearchOptions,
  StoredPoint,
} from '../../ports/vector-store.ts';
import { vectorText } from '../float-text.ts';
import { nearestFirst } from '../nearest-first.ts';
import { splitBatches } from '../split-batches.ts';
import { readAnswer, type QdrantAnswer } from './qdrant-answer.ts';
import type { QdrantApi } from './qdrant-api.ts';
import { qdrantFilter } from './qdrant-filter.ts';
import { idJson, idsJson, isIdBefore, quoteLongIds } from './qdrant-ids.ts';
import { MAX_POINTS_PER_REQUEST } from './qdrant-points.ts';
import { countShape, recordsShape, scoredShape, scrollShape, type QdrantRecord } from './qdrant-shapes.ts';

/** Reads the points of a Qdrant. */
export class QdrantReader {
  readonly #api: QdrantApi;

  constructor(api: QdrantApi) {
    this.#api = api;
  }

  async retrieve(
    collection: string,
    ids: readonly string[],
    withVectors: boolean,
    signal: AbortSignal | undefined,
  ): Promise<StoredPoint[]> {
    const action = `read points of the collection ${collection}`;
    const found: StoredPoint[] = [];
    const limits = { maxItems: MAX_POINTS_PER_REQUEST, maxBytes: Infinity };
    for (const batch of splitBatches(ids, limits, () => 0)) {
      const fields = recordFields('all', withVectors);
      const body = `{"ids":${idsJson(batch)},${JSON.stringify(fields).slice(1)}`;
      const request = { method: 'POST', rest: '/points', body, readAnswer: readRecords } as const;
      const records = await this.#api.inCollection(collection, request, recordsShape, action, signal);
      found.push(...records.map((record) => this.#storedPoint(record, action)));
    }
    return found;
  }

  async scroll(collection: string, options: ScrollOptions): Promise<StoredPoint[]> {
    const { after, limit, filter, withVectors = false, payload = 'all', signal } = options;
    const action = `list points of the collection ${collection}`;
    const fields: Schemas['ScrollRequest'] = {
      // Qdrant's offset includes the point that it names, if that point is there.
      limit: after === undefined ? limit : limit + 1,
      ...recordFields(payload, withVectors),
      ...filterField(filter),
    };
    const offset = after === undefined ? '' : `"offset":${idJson(after)},`;
    const body = `{${offset}${JSON.stringify(fields).slice(1)}`;
    const request = { method: 'POST', rest: '/points/scroll', body, readAnswer: readRecords } as const;
    const { points } = await this.#api.inCollection(collection, request, scrollShape, action, signal);
    const page = points
      .filter(({ id }) => String(id) !== after)
      .slice(0, limit)
      .map((record) => this.#storedPoint(record, action));
    // Whoever merges this stream with another would take a page out of order for missing points.
    let previous = after;
    for (const { id } of page) {
      if (previous !== undefined && !isIdBefore(previous, id)) throw this.#api.unexpected(action);
      previous = id;
    }
    return page;
  }

  async count(
    collection: string,
    filter: PointFilter | undefined,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const action = `count points of the collection ${collection}`;
    const body: Schemas['CountRequest'] = { exact: true, ...filterField(filter) };
    const request = { method: 'POST', rest: '/points/count', body: JSON.stringify(body) } as const;
    return (await this.#api.inCollection(collection, request, countShape, action, signal)).count;
  }

  async search(
    collection: string,
    vector: Float32Array,
    { limit, filter, signal }: SearchOptions,
  ): Promise<ScoredPoint[]> {
    const action = `search the collection ${collection}`;
    const fields: Schemas['QueryRequest'] = { limit, with_payload: true, ...filterField(filter) };
    // The vector is put before the other fields as text, never as an array of numbers.
    const body = `{"query":${vectorText(vector)},${JSON.stringify(fields).slice(1)}`;
    const request = { method: 'POST', rest: '/points/query', body, readAnswer: readRecords } as const;
    const { points } = await this.#api.inCollection(collection, request, scoredShape, action, signal);
    return nearestFirst(
      points.map((record) => ({ ...this.#storedPoint(record, action), score: record.score })),
    );
  }

  /**
   * The payload is given as it is: a point that something else wrote into the collection has none of vecpipe's
   * fields, and whoever compares has to see that.
   */
  #storedPoint({ id, payload, vector }: QdrantRecord, action: string): StoredPoint {
    const point: StoredPoint = { id: String(id), payload: (payload ?? {}) as Payload };
    if (!vector) return point;
    const numbers = new Float32Array(vector.length);
    for (const [index, value] of vector.entries()) {
      if (typeof value !== 'number') throw this.#api.unexpected(action);
      numbers[index] = value;
    }
    return { ...point, vector: numbers };
  }
}

/** Ids that are large numbers keep all their digits. */
function readRecords(status: number, text: string): QdrantAnswer | null {
  return readAnswer(status, quoteLongIds(text));
}

function recordFields(payload: PayloadPart, withVectors: boolean) {
  const withPayload = payload === 'identity' ? ['vecpipe'] : payload === 'all';
  return { with_payload: withPayload, with_vector: withVectors };
}

function filterField(filter: PointFilter | undefined): { filter?: Schemas['Filter'] } {
  const translated = qdrantFilter(filter);
  return translated ? { filter: translated } : {};
}
