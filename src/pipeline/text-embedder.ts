import { shareOut } from '../credits/credits.ts';
import { waitOrAbort } from '../lifetime/abort.ts';
import type { CallOptions } from '../ports/database.ts';
import type { EmbeddingProvider, EmbedResult, RefusedText } from '../ports/embedding-provider.ts';
import type { BatchReceipts, BoughtVector } from '../receipts/receipt-book.ts';
import { shortHash } from '../util/hash.ts';
import { slices } from '../util/slices.ts';
import { CallSlots } from './call-slots.ts';
import { checkVectors } from './check-vectors.ts';

type Embedded = Float32Array | RefusedText;

/** What a text is known by, here and on its receipt. */
export function textHash(text: string): string {
  return shortHash(text);
}

/** Who made a vector: `reused` when an equal text was embedded before or besides, or bought by an earlier run. */
export type VectorOrigin = 'provider' | 'fallback' | 'reused';

export interface EmbeddedTexts {
  /** In input order. */
  vectors: Embedded[];
  /** Per text; a refused one counts for whoever refused it. */
  origins: VectorOrigin[];
  /** What this call used. */
  tokens: number;
  /** Money for them. */
  cost: number;
}

export interface EmbedTextsOptions extends CallOptions {
  /** Where bought vectors are looked up and kept; left out for a provider that costs nothing. */
  receipts?: BatchReceipts | undefined;
}

/** One distinct text on its way. */
interface Missing extends Promised {
  key: string;
  text: string;
}

/** Kept vectors, so that a text that many rows share is embedded once a run. */
const DEFAULT_CACHE_BYTES = 16 * 1024 * 1024;

/**
 * Embeds texts in calls of the provider's, or of one request's, size, never more at once than it allows, each distinct text once:
 * equal texts of concurrent calls share one embedding, a bounded number of recent ones is remembered, and what an
 * earlier run has bought is taken from its receipt. A bought vector is kept before anybody sees it.
 */
export class TextEmbedder {
  readonly provider: EmbeddingProvider;
  readonly #known = new Map<string, Promise<Embedded>>();
  readonly #capacity: number;
  readonly #slots: CallSlots;
  readonly #callSize: number;

  constructor(provider: EmbeddingProvider, cacheBytes: number = DEFAULT_CACHE_BYTES) {
    this.provider = provider;
    this.#slots = new CallSlots(provider.maxConcurrency);
    // No more than one request: what was bought is kept as soon as its own request is answered.
    this.#callSize = Math.min(provider.maxBatchSize, provider.requestLimits?.inputs ?? Infinity);
    this.#capacity = Math.max(
      1,
      Math.floor(cacheBytes / (provider.dimensions * Float32Array.BYTES_PER_ELEMENT)),
    );
  }

  /** @throws whatever the provider or the receipts throw; a refused text is a value, not an error */
  async embed(texts: readonly string[], options: EmbedTextsOptions = {}): Promise<EmbeddedTexts> {
    const keys = texts.map(textHash);
    const missing = new Map<string, Missing>();
    const pending = texts.map((text, index) => {
      const key = keys[index] ?? '';
      // This call's own first: a large one may have outgrown what is remembered.
      let known = missing.get(key)?.promise ?? this.#known.get(key);
      if (known === undefined) {
        const own: Missing = { key, text, ...promised() };
        missing.set(key, own);
        known = own.promise;
      }
      this.#remember(key, known);
      return known;
    });

    const found = await this.#findReceipts(missing, options);
    const wanted = [...missing.values()].filter(({ key }) => !found.has(key));
    const spent = await this.#callAll(wanted, options);
    const vectors = await waitOrAbort(Promise.all(pending), options.signal);
    await this.#keepReused(keys, vectors, missing, options);
    const origins = this.#origins(keys, wanted, spent.byFallback);
    return { vectors, origins, tokens: spent.tokens, cost: spent.cost };
  }

  /** Settles what was bought before. @returns the keys of it */
  async #findReceipts(
    missing: ReadonlyMap<string, Missing>,
    { receipts, signal }: EmbedTextsOptions,
  ): Promise<ReadonlySet<string>> {
    if (receipts === undefined || missing.size === 0) return new Set();
    try {
      const found = await receipts.find([...missing.keys()], signal ? { signal } : {});
      for (const [key, vector] of found) missing.get(key)?.resolve(vector);
      return new Set(found.keys());
    } catch (error) {
      this.#fail([...missing.values()], error);
      throw error;
    }
  }

  async #callAll(
    wanted: readonly Missing[],
    options: EmbedTextsOptions,
  ): Promise<{ tokens: number; cost: number; byFallback: ReadonlySet<string> }> {
    const byFallback = new Set<string>();
    let tokens = 0;
    let cost = 0;
    const calls: Promise<void>[] = [];
    for (const batch of slices(wanted, this.#callSize)) {
      const call = this.#slots.run(async () => {
        const result = await this.#call(batch, options);
        tokens += result.tokens;
        cost += result.cost ?? 0;
        if (result.byFallback === true) for (const { key } of batch) byFallback.add(key);
      });
      calls.push(call);
    }
    // Settled rather than all: when one call fails, the others must have ended before the caller goes on.
    const settled = await Promise.allSettled(calls);
    const failed = settled.find((call) => call.status === 'rejected');
    if (failed) throw failed.reason;
    return { tokens, cost, byFallback };
  }

  async #call(batch: readonly Missing[], { receipts, signal }: EmbedTextsOptions) {
    const options = signal ? { signal } : {};
    try {
      signal?.throwIfAborted();
      const result = await this.provider.embed(
        batch.map(({ text }) => text),
        options,
      );
      const vectors = checkVectors(this.provider, batch.length, result);
      if (receipts !== undefined) {
        // Not to be aborted: the vectors are paid for.
        await receipts.keep(this.#bought(batch, vectors, result, receipts.isCharged));
      }
      batch.forEach(({ resolve }, index) => {
        const vector = vectors[index];
        if (vector !== undefined) resolve(vector instanceof Float32Array ? detached(vector) : vector);
      });
      return result;
    } catch (error) {
      this.#fail(batch, error);
      throw error;
    }
  }

  /** A vector that another batch has bought is kept for this one, too: that one's receipt goes when it is recorded. */
  async #keepReused(
    keys: readonly string[],
    vectors: readonly Embedded[],
    missing: ReadonlyMap<string, Missing>,
    { receipts }: EmbedTextsOptions,
  ): Promise<void> {
    if (receipts === undefined) return;
    const reused = new Map<string, BoughtVector>();
    keys.forEach((key, index) => {
      const vector = vectors[index];
      if (missing.has(key) || !(vector instanceof Float32Array)) return;
      // What is due for it is due for the batch that bought it.
      reused.set(key, { textHash: key, vector, dueMicros: 0 });
    });
    if (reused.size > 0) await receipts.keep([...reused.values()]);
  }

  #bought(
    batch: readonly Missing[],
    vectors: readonly Embedded[],
    result: EmbedResult,
    isCharged: boolean,
  ): BoughtVector[] {
    const due = isCharged ? this.#due(batch, result) : [];
    return batch.flatMap(({ key }, index) => {
      const vector = vectors[index];
      return vector instanceof Float32Array ? [{ textHash: key, vector, dueMicros: due[index] ?? 0 }] : [];
    });
  }

  /**
   * What the call cost is shared by the texts that the provider embedded, by their length. One whose vector turned out
   * to be of no use takes its part with it: nobody is charged for what was not delivered.
   */
  #due(batch: readonly Missing[], { vectors, creditMicros = 0 }: EmbedResult): number[] {
    const { tokenizer } = this.provider;
    const weights = batch.map(({ text }, index) =>
      creditMicros > 0 && vectors[index] instanceof Float32Array ? tokenizer.count(text) : 0,
    );
    return shareOut(creditMicros, weights);
  }

  #origins(
    keys: readonly string[],
    wanted: readonly Missing[],
    byFallback: ReadonlySet<string>,
  ): VectorOrigin[] {
    const fresh = new Set(wanted.map(({ key }) => key));
    return keys.map((key) => {
      // Only the first of equal texts was sent.
      if (!fresh.delete(key)) return 'reused';
      return byFallback.has(key) ? 'fallback' : 'provider';
    });
  }

  #fail(batch: readonly Missing[], error: unknown): void {
    for (const { key, promise, reject } of batch) {
      if (this.#known.get(key) === promise) this.#known.delete(key);
      reject(error);
    }
  }

  #remember(key: string, vector: Promise<Embedded>): void {
    this.#known.delete(key);
    this.#known.set(key, vector);
    if (this.#known.size <= this.#capacity) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

interface Promised {
  promise: Promise<Embedded>;
  resolve: (value: Embedded) => void;
  reject: (reason: unknown) => void;
}

function promised(): Promised {
  let resolve: Promised['resolve'] = () => {};
  let reject: Promised['reject'] = () => {};
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
