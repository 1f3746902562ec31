import { shortHash } from '../../util/hash.ts';

/** A vector that was bought, and its part of what the request used. */
export interface Bought {
  vector: Float32Array;
  tokens: number;
}

/** Calls under way have several megabytes; more than that is not lost at once. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Vectors that were paid for in a call that then failed for another request. Each is given away once, to the call that
 * asks for its text next, so that trying a call again pays only for what it is missing.
 */
export class UndeliveredVectors {
  readonly #vectors = new Map<string, Bought>();
  #bytes = 0;

  keep(text: string, bought: Bought): void {
    const key = shortHash(text);
    if (this.#vectors.has(key)) return;
    this.#vectors.set(key, bought);
    this.#bytes += bought.vector.byteLength;
    for (const [oldest, { vector }] of this.#vectors) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#vectors.delete(oldest);
      this.#bytes -= vector.byteLength;
    }
  }

  take(text: string): Bought | null {
    if (this.#vectors.size === 0) return null;
    const key = shortHash(text);
    const bought = this.#vectors.get(key);
    if (bought === undefined) return null;
    this.#vectors.delete(key);
    this.#bytes -= bought.vector.byteLength;
    return bought;
  }

  clear(): void {
    this.#vectors.clear();
    this.#bytes = 0;
  }
}
