import { waitOrAbort } from '../lifetime/abort.ts';
import type { CallOptions } from '../ports/database.ts';
import type { EmbeddingProvider, RefusedText } from '../ports/embedding-provider.ts';
import { shortHash } from '../util/hash.ts';
import { checkVectors } from './check-vectors.ts';

type Embedded = Float32Array | RefusedText;

export interface EmbeddedTexts {
  /** In input order. */
  vectors: Embedded[];
  /** Per text: true when this call paid for it, false when an equal text was embedded before or besides. */
  fresh: boolean[];
  tokens: number;
}

/** Kept vectors, so that a text that many rows share is embedded once a run. */
const DEFAULT_CACHE_BYTES = 16 * 1024 * 1024;

/**
 * Embeds texts in calls of the provider's size, never more at once than it allows, each distinct text once:
 * equal texts of concurrent calls share one embedding, and a bounded number of recent ones is remembered.
 */
export class TextEmbedder {
  readonly provider: EmbeddingProvider;
  readonly #known = new Map<string, Promise<Embedded>>();
  readonly #capacity: number;
  readonly #waiting: (() => void)[] = [];
  #calls = 0;

  constructor(provider: EmbeddingProvider, cacheBytes: number = DEFAULT_CACHE_BYTES) {
    this.provider = provider;
    this.#capacity = Math.max(
      1,
      Math.floor(cacheBytes / (provider.dimensions * Float32Array.BYTES_PER_ELEMENT)),
    );
  }

  /** @throws whatever the provider throws; a refused text is a value, not an error */
  async embed(texts: readonly string[], options: CallOptions = {}): Promise<EmbeddedTexts> {
    const fresh: boolean[] = [];
    const missing: { key: string; text: string }[] = [];
    const pending: Promise<Embedded>[] = [];
    const resolvers = new Map<string, PromiseWithResolve>();
    for (const text of texts) {
      const key = shortHash(text);
      // This call's own first: a large one may have outgrown what is remembered.
      const known = resolvers.get(key)?.promise ?? this.#known.get(key);
      fresh.push(known === undefined);
      if (known !== undefined) {
        this.#remember(key, known);
        pending.push(known);
        continue;
      }
      const resolver = promiseWithResolve();
      resolvers.set(key, resolver);
      missing.push({ key, text });
      this.#remember(key, resolver.promise);
      pending.push(resolver.promise);
    }

    const calls: Promise<number>[] = [];
    for (let start = 0; start < missing.length; start += this.provider.maxBatchSize) {
      calls.push(this.#call(missing.slice(start, start + this.provider.maxBatchSize), resolvers, options));
    }
    // Settled rather than all: when one call fails, the others must have ended before the caller goes on.
    const settled = await Promise.allSettled(calls);
    const failed = settled.find((call) => call.status === 'rejected');
    if (failed) throw failed.reason;
    const tokens = settled.reduce((sum, call) => sum + (call.status === 'fulfilled' ? call.value : 0), 0);
    return { vectors: await waitOrAbort(Promise.all(pending), options.signal), fresh, tokens };
  }

  async #call(
    batch: readonly { key: string; text: string }[],
    resolvers: ReadonlyMap<string, PromiseWithResolve>,
    options: CallOptions,
  ): Promise<number> {
    await this.#enter();
    try {
      options.signal?.throwIfAborted();
      const result = await this.provider.embed(
        batch.map(({ text }) => text),
        options,
      );
      const vectors = checkVectors(this.provider, batch.length, result);
      batch.forEach(({ key }, index) => {
        const vector = vectors[index];
        if (vector !== undefined)
          resolvers.get(key)?.resolve(vector instanceof Float32Array ? detached(vector) : vector);
      });
      return result.tokens;
    } catch (error) {
      for (const { key } of batch) {
        this.#known.delete(key);
        resolvers.get(key)?.reject(error);
      }
      throw error;
    } finally {
      this.#leave();
    }
  }

  #remember(key: string, vector: Promise<Embedded>): void {
    this.#known.delete(key);
    this.#known.set(key, vector);
    if (this.#known.size <= this.#capacity) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  async #enter(): Promise<void> {
    if (this.#calls < this.provider.maxConcurrency) {
      this.#calls += 1;
      return;
    }
    // The place is handed over by `#leave`, so the count stays as it is.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#calls -= 1;
  }
}

interface PromiseWithResolve {
  promise: Promise<Embedded>;
  resolve: (value: Embedded) => void;
  reject: (reason: unknown) => void;
}

function promiseWithResolve(): PromiseWithResolve {
  let resolve: PromiseWithResolve['resolve'] = () => {};
  let reject: PromiseWithResolve['reject'] = () => {};
  const promise = new Promise<Embedded>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // A rejection reaches whoever awaits the text; nobody may.
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** A view would keep the whole answer of its call in memory for as long as the one vector is remembered. */
function detached(vector: Float32Array): Float32Array {
  return vector.byteLength === vector.buffer.byteLength ? vector : vector.slice();
}
