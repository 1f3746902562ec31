import type { BatchRequest } from './worker-protocol.ts';

/** One text that waits for its vector. */
export interface QueuedText<Call> {
  /** Token ids, special tokens included; at least one. */
  ids: Int32Array;
  /** Its place in the call. */
  index: number;
  call: Call;
}

export interface BatchLimits {
  texts: number;
  /** Texts times the longest of them: what the model computes, padding included. */
  paddedTokens: number;
}

/**
 * Texts of every call under way, in the order of their lengths, so that a batch is made of neighbours and has little
 * padding. The oldest call is served first, from its longest text down: what is left at the end, when a worker may
 * have nothing to do, is short. Texts of other calls fill its batches up.
 */
export class TextQueue<Call> {
  /** Ascending. */
  readonly #texts: QueuedText<Call>[] = [];
  /** Calls with texts in the queue, the oldest first, and how many. */
  readonly #waiting = new Map<Call, number>();

  get size(): number {
    return this.#texts.length;
  }

  /** All texts of one call. */
  add(call: Call, texts: readonly QueuedText<Call>[]): void {
    if (texts.length === 0) return;
    this.#waiting.set(call, texts.length);
    this.#texts.push(...texts);
    this.#texts.sort((one, other) => one.ids.length - other.ids.length);
  }

  /** Forgets what is left of a call. */
  remove(call: Call): void {
    if (!this.#waiting.delete(call)) return;
    const kept = this.#texts.filter((text) => text.call !== call);
    this.#texts.splice(0, this.#texts.length, ...kept);
  }

  /** The next batch, never empty; null when nothing waits. */
  take(limits: BatchLimits): QueuedText<Call>[] | null {
    const [oldest] = this.#waiting.keys();
    if (oldest === undefined) return null;
    const end = this.#texts.findLastIndex(({ call }) => call === oldest) + 1;
    const longest = (this.#texts[end - 1] as QueuedText<Call>).ids.length;
    const fitting = Math.max(1, Math.min(limits.texts, Math.floor(limits.paddedTokens / longest)));
    const start = Math.max(0, end - fitting);
    const batch = this.#texts.splice(start, end - start);
    for (const { call } of batch) {
      const left = (this.#waiting.get(call) ?? 0) - 1;
      if (left > 0) this.#waiting.set(call, left);
      else this.#waiting.delete(call);
    }
    return batch;
  }
}

/** What a worker is sent for a batch. */
export function batchRequest(batch: readonly Pick<QueuedText<unknown>, 'ids'>[]): BatchRequest {
  const lengths = Int32Array.from(batch, ({ ids }) => ids.length);
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const text of batch) {
    ids.set(text.ids, at);
    at += text.ids.length;
  }
  return { ids, lengths };
}
