import type { Vocabulary } from './tokenizer-file.ts';
import { HASH_SEED, WordTable, hashStep } from './word-table.ts';

/**
 * The pieces of a WordPiece model and its greedy longest-match-first cut
 * (https://github.com/google-research/bert/blob/master/tokenization.py, WordpieceTokenizer).
 */
export class WordPieceVocabulary {
  readonly #first: PieceTable;
  readonly #following: PieceTable;

  constructor(vocabulary: Vocabulary, continuationPrefix: string) {
    this.#first = new PieceTable(vocabulary, '');
    this.#following = new PieceTable(vocabulary, continuationPrefix);
  }

  /**
   * Writes the ids of the pieces of `word[0, length)` to `ids` from `at` on, which must have room for one a
   * code unit, and returns how many there are; 0 when the word cannot be made up of pieces.
   */
  cut(word: Uint16Array, length: number, ids: Int32Array, at: number): number {
    let count = 0;
    for (let start = 0; start < length;) {
      const pieces = start === 0 ? this.#first : this.#following;
      const found = pieces.longest(word, start, length);
      if (found === -1) return 0;
      ids[at + count] = pieces.idOf(found);
      count += 1;
      start += pieces.lengthOf(found);
    }
    return count;
  }
}

/** The tokens that start with a prefix, without it. */
class PieceTable {
  readonly #table: WordTable;
  readonly #ids: Int32Array;
  readonly #lengths: Int32Array;
  #longest = 0;

  constructor({ tokens, ids }: Vocabulary, prefix: string) {
    let pieces = 0;
    let units = 0;
    for (const token of tokens) {
      if (!token.startsWith(prefix)) continue;
      pieces += 1;
      units += token.length - prefix.length;
      this.#longest = Math.max(this.#longest, token.length - prefix.length);
    }
    this.#table = new WordTable(pieces, units);
    this.#ids = new Int32Array(pieces);
    this.#lengths = new Int32Array(pieces);
    const buffer = new Uint16Array(this.#longest);
    for (let index = 0; index < tokens.length; index++) {
      const token = tokens[index] as string;
      if (!token.startsWith(prefix)) continue;
      const length = token.length - prefix.length;
      let hash = HASH_SEED;
      for (let at = 0; at < length; at++) {
        const unit = token.charCodeAt(prefix.length + at);
        buffer[at] = unit;
        hash = hashStep(hash, unit);
      }
      const entry = this.#table.add(buffer, 0, length, hash);
      this.#ids[entry] = ids[index] as number;
      this.#lengths[entry] = length;
    }
  }

  idOf(entry: number): number {
    return this.#ids[entry] as number;
  }

  lengthOf(entry: number): number {
    return this.#lengths[entry] as number;
  }

  /**
   * The longest piece that `word[start, end)` begins with, or -1. Growing the piece lets one hash serve every
   * length, so a word of random letters costs no more than its length times the longest piece.
   */
  longest(word: Uint16Array, start: number, end: number): number {
    const limit = Math.min(end, start + this.#longest);
    let hash = HASH_SEED;
    let best = -1;
    for (let at = start; at < limit; at++) {
      hash = hashStep(hash, word[at] as number);
      const found = this.#table.find(word, start, at + 1, hash);
      if (found !== -1) best = found;
    }
    return best;
  }
}
