import type { Tokenizer } from '../../ports/embedding-provider.ts';

/** Token ids of a text or of a part of it. Reused from text to text. */
export interface TokenBuffer {
  ids: Int32Array;
  /** How many of `ids` are filled. */
  length: number;
}

/** A model's tokenizer as its provider uses it: ids as well as counts. */
export interface ModelTokenizer extends Tokenizer {
  /** Every id is below it. */
  readonly idLimit: number;
  /** The id that stands for what the vocabulary does not have; null when there is none. */
  readonly unknownId: number | null;
  /**
   * Appends the ids of the text from an offset on, special tokens left out, and returns the offset to go on
   * from: the text's length when all of it is done, less when the buffer is full. Start at 0 with an empty
   * buffer; a tokenizer that cannot stop half way makes the buffer larger instead.
   */
  encodeInto(text: string, from: number, buffer: TokenBuffer): number;
}

const DEFAULT_CAPACITY = 4096;

export function createTokenBuffer(): TokenBuffer {
  return { ids: new Int32Array(DEFAULT_CAPACITY), length: 0 };
}

/** Makes room for `more` ids; what is in the buffer stays. */
export function growTokenBuffer(buffer: TokenBuffer, more: number): void {
  const needed = buffer.length + more;
  if (needed <= buffer.ids.length) return;
  const ids = new Int32Array(Math.max(needed, buffer.ids.length * 2));
  ids.set(buffer.ids.subarray(0, buffer.length));
  buffer.ids = ids;
}
