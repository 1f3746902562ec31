import type { CallOptions } from '../ports/database.ts';
import type { PayloadPart, PointFilter, StoredPoint, VectorStore } from '../ports/vector-store.ts';

export interface PointPagesOptions extends CallOptions {
  filter?: PointFilter;
  payload: PayloadPart;
  withVectors?: boolean;
}

const PAGE_POINTS = 1_000;
/** Enough that the store is read while the record is brought into order. */
const PAGES_AHEAD = 8;
/** A vector is the size of many identities. */
const PAGE_VECTORS = 250;
const VECTOR_PAGES_AHEAD = 2;

/**
 * A collection's points in the order of their ids. The first page is under way as soon as this is made, and some more
 * while it is looked at. Disposal ends what is under way; the opener disposes.
 */
export class PointPages implements AsyncDisposable {
  readonly #store: VectorStore;
  readonly #collection: string;
  readonly #options: PointPagesOptions;
  readonly #limit: number;
  readonly #end = new AbortController();
  readonly #onAbort = () => this.#end.abort(this.#options.signal?.reason);
  /** Each is read when its predecessor has been. */
  readonly #ahead: Promise<StoredPoint[]>[] = [];

  constructor(store: VectorStore, collection: string, options: PointPagesOptions) {
    this.#store = store;
    this.#collection = collection;
    this.#options = options;
    this.#limit = options.withVectors ? PAGE_VECTORS : PAGE_POINTS;
    if (options.signal?.aborted) this.#onAbort();
    else options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#add(this.#read());
    const pages = options.withVectors ? VECTOR_PAGES_AHEAD : PAGES_AHEAD;
    while (this.#ahead.length < pages) this.#addNext();
  }

  /** @returns the next points, none at the end */
  async next(): Promise<StoredPoint[]> {
    this.#addNext();
    return (await this.#ahead.shift()) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#end.abort();
    await Promise.allSettled(this.#ahead);
  }

  #addNext(): void {
    const last = this.#ahead.at(-1);
    if (!last) return;
    this.#add(
      last.then((page) => {
        const point = page.at(-1);
        return point && page.length === this.#limit ? this.#read(point.id) : [];
      }),
    );
  }

  #add(page: Promise<StoredPoint[]>): void {
    // It is awaited later, and must not count as unhandled until then.
    page.catch(() => {});
    this.#ahead.push(page);
  }

  #read(after?: string): Promise<StoredPoint[]> {
    const { filter, payload, withVectors = false } = this.#options;
    return this.#store.scroll(this.#collection, {
      limit: this.#limit,
      payload,
      withVectors,
      ...(filter && { filter }),
      ...(after !== undefined && { after }),
      signal: this.#end.signal,
    });
  }
}
