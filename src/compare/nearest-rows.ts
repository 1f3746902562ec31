import { WorkSlice } from '../util/work-slice.ts';

/** A row found for a query. */
export interface Neighbour {
  /** The row's place in the sample. */
  row: number;
  /** Cosine of the query and the row's nearest chunk, -1 to 1. */
  score: number;
}

/** Best first, one entry a row. */
export type Ranking = readonly Neighbour[];

/**
 * The exact nearest rows of many queries at once, kept while the rows stream by: neither rows nor their vectors
 * are held, so memory depends on the number of queries alone. Rows of equal score stand in the order in which they
 * were added, which is the same for every variant.
 */
export class NearestRows {
  readonly #top: number;
  readonly #dimensions: number;
  /** Unit vectors, one after another; a query without one has a row of zeros. */
  readonly #queries: Float32Array;
  readonly #isAsked: readonly boolean[];
  readonly #found: Neighbour[][];
  /** Of the row that is being added. */
  readonly #best: Float64Array;
  readonly #slice = new WorkSlice();

  /** @param queries null where there is no vector, which then has no ranking */
  constructor(queries: readonly (Float32Array | null)[], dimensions: number, top: number) {
    this.#top = top;
    this.#dimensions = dimensions;
    this.#queries = new Float32Array(queries.length * dimensions);
    queries.forEach((query, index) => {
      if (query === null) return;
      const scale = 1 / lengthOf(query);
      this.#queries.set(
        query.map((value) => value * scale),
        index * dimensions,
      );
    });
    this.#isAsked = queries.map((query) => query !== null);
    this.#found = queries.map(() => []);
    this.#best = new Float64Array(queries.length);
  }

  /**
   * Adds a row by the vectors of its chunks; its score is that of the best one. Lets the event loop turn.
   * @throws the signal's reason when it is aborted
   */
  async add(row: number, chunks: readonly Float32Array[], signal: AbortSignal | undefined): Promise<void> {
    this.#slice.begin();
    this.#best.fill(-Infinity);
    for (const chunk of chunks) {
      const scale = 1 / lengthOf(chunk);
      for (let query = 0; query < this.#best.length; query += 1) {
        const score = this.#dot(query, chunk) * scale;
        if (score > (this.#best[query] ?? 0)) this.#best[query] = score;
      }
      if (this.#slice.isOver()) await this.#slice.rest(signal);
    }
    this.#found.forEach((found, query) => this.#insert(found, row, this.#best[query] ?? 0));
    this.#slice.end();
  }

  /** One a query, in their order; null where the query has no vector. */
  rankings(): (Ranking | null)[] {
    return this.#found.map((found, query) => (this.#isAsked[query] ? found : null));
  }

  #dot(query: number, vector: Float32Array): number {
    const offset = query * this.#dimensions;
    let sum = 0;
    for (let at = 0; at < vector.length; at += 1)
      sum += (this.#queries[offset + at] ?? 0) * (vector[at] ?? 0);
    return sum;
  }

  #insert(found: Neighbour[], row: number, score: number): void {
    if (found.length === this.#top && (found.at(-1)?.score ?? 0) >= score) return;
    let at = found.length;
    while (at > 0 && (found[at - 1]?.score ?? 0) < score) at -= 1;
    found.splice(at, 0, { row, score });
    if (found.length > this.#top) found.pop();
  }
}

function lengthOf(vector: Float32Array): number {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.sqrt(squares);
}
