import type { TextPurpose } from '../../ports/embedding-provider.ts';
import { createTokenBuffer } from '../tokenizer/model-tokenizer.ts';
import type { ModelTokenizer, TokenBuffer } from '../tokenizer/model-tokenizer.ts';
import type { Prefixes } from './read-prompts.ts';
import type { SpecialTokens } from './special-tokens.ts';

export interface EncodedText {
  /** What the model is given: prefix, text and special tokens. */
  ids: Int32Array;
  /** Of the text alone. */
  tokens: number;
}

/** Turns texts into what the model is given. */
export class PromptEncoder {
  /** Special tokens and the longer of the prefixes: tokens that every text adds to its own at the most. */
  readonly overhead: number;
  readonly #tokenizer: ModelTokenizer;
  readonly #specialTokens: SpecialTokens;
  readonly #prefixes: Prefixes;
  readonly #prefixTokens: Record<TextPurpose, number>;
  readonly #buffer: TokenBuffer = createTokenBuffer();

  constructor(tokenizer: ModelTokenizer, specialTokens: SpecialTokens, prefixes: Prefixes) {
    this.#tokenizer = tokenizer;
    this.#specialTokens = specialTokens;
    this.#prefixes = prefixes;
    this.#prefixTokens = {
      query: countPrefix(tokenizer, prefixes.query),
      passage: countPrefix(tokenizer, prefixes.passage),
    };
    const { before, after } = specialTokens;
    this.overhead =
      before.length + after.length + Math.max(this.#prefixTokens.query, this.#prefixTokens.passage);
  }

  /**
   * The prefix is cut together with the text, as the model was trained, and its tokens are subtracted.
   *
   * @param maxTokens of the text alone; longer texts are not cut but null
   */
  encode(text: string, purpose: TextPurpose, maxTokens: number): EncodedText | null {
    const whole = this.#prefixes[purpose] + text;
    const { before, after } = this.#specialTokens;
    const prefixTokens = this.#prefixTokens[purpose];
    const buffer = this.#buffer;
    buffer.length = 0;
    for (let at = 0; at < whole.length;) {
      at = this.#tokenizer.encodeInto(whole, at, buffer);
      if (buffer.length - prefixTokens > maxTokens) return null;
      if (at < whole.length) buffer.ids = grown(buffer);
    }
    const ids = new Int32Array(before.length + buffer.length + after.length);
    ids.set(before);
    ids.set(buffer.ids.subarray(0, buffer.length), before.length);
    ids.set(after, before.length + buffer.length);
    return { ids, tokens: Math.max(0, buffer.length - prefixTokens) };
  }
}

/** Before a text, since a tokenizer may drop the blank that a prefix ends with. */
function countPrefix(tokenizer: ModelTokenizer, prefix: string): number {
  return prefix === '' ? 0 : tokenizer.count(`${prefix}a`) - tokenizer.count('a');
}

/** The buffer came back full with text left. */
function grown(buffer: TokenBuffer): Int32Array {
  const ids = new Int32Array(buffer.ids.length * 2);
  ids.set(buffer.ids);
  return ids;
}
