import type { Schemas } from '@qdrant/js-client-rest';
import { usageError } from '../../errors/vecpipe-error.ts';
import type {
  Payload,
  PointFilter,
  ScoredPoint,
  ScrollOptions,
  SearchOptions,
  StoredPoint,
} from '../../ports/vector-store.ts';
import { vectorText } from '../float-text.ts';
import { nearestFirst } from '../nearest-first.ts';
import { splitBatches } from '../split-batches.ts';
import type { QdrantApi } from './qdrant-api.ts';
import { qdrantFilter } from './qdrant-filter.ts';
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
      const body: Schemas['PointRequest'] = { ids: batch, with_payload: true, with_vector: withVectors };
      const request = { method: 'POST', rest: '/points', body: JSON.stringify(body) } as const;
      const records = await this.#api.inCollection(collection, request, recordsShape, action, signal);
      found.push(...records.map((record) => this.#storedPoint(collection, record, action)));
    }
    return found;
  }

  async scroll(collection: string, options: ScrollOptions): Promise<StoredPoint[]> {
    const { after, limit, filter, withVectors = false, signal } = options;
    const action = `list points of the collection ${collection}`;
    const body: Schemas['ScrollRequest'] = {
      // Qdrant's offset includes the point that it names, if that point is there.
      limit: after === undefined ? limit : limit + 1,
      with_payload: true,
      with_vector: withVectors,
      ...(after === undefined ? {} : { offset: after }),
      ...filterField(filter),
    };
    const request = { method: 'POST', rest: '/points/scroll', body: JSON.stringify(body) } as const;
    const { points } = await this.#api.inCollection(collection, request, scrollShape, action, signal);
    const page = points
      .filter(({ id }) => id !== after)
      .slice(0, limit)
      .map((record) => this.#storedPoint(collection, record, action));
    // Whoever merges this stream with another would take a page out of order for missing points.
    let previous = after ?? '';
    for (const { id } of page) {
      if (id <= previous) throw this.#api.unexpected(action);
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
    const request = { method: 'POST', rest: '/points/query', body } as const;
    const { points } = await this.#api.inCollection(collection, request, scoredShape, action, signal);
    return nearestFirst(
      points.map((record) => ({ ...this.#storedPoint(collection, record, action), score: record.score })),
    );
  }

  /**
   * The payload is given as it is: a point that something else wrote into the collection has none of vecpipe's
   * fields, and whoever compares has to see that.
   */
  #storedPoint(collection: string, { id, payload, vector }: QdrantRecord, action: string): StoredPoint {
    if (typeof id === 'number') {
      throw usageError(
        'collection_foreign',
        `the Qdrant collection ${collection} holds a point with the number ${id} as its id, which vecpipe never writes`,
        'delete the points with numbers as ids, or set another `collection:` for the entity',
      );
    }
    const point: StoredPoint = { id, payload: (payload ?? {}) as Payload };
    if (!vector) return point;
    const numbers = new Float32Array(vector.length);
    for (const [index, value] of vector.entries()) {
      if (typeof value !== 'number') throw this.#api.unexpected(action);
      numbers[index] = value;
    }
    return { ...point, vector: numbers };
  }
}

function filterField(filter: PointFilter | undefined): { filter?: Schemas['Filter'] } {
  const translated = qdrantFilter(filter);
  return translated ? { filter: translated } : {};
}
