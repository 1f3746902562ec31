import type { Word } from '../../ports/embedding-provider.ts';
import { AddedTokens } from './added-tokens.ts';
import type { BertCharacters } from './bert-characters.ts';
import { BertWordScanner } from './bert-word-scanner.ts';
import { growTokenBuffer } from './model-tokenizer.ts';
import type { ModelTokenizer, TokenBuffer } from './model-tokenizer.ts';
import type { WordPieceVocabulary } from './word-piece-vocabulary.ts';
import { WordTable } from './word-table.ts';

export interface WordPieceModel {
  vocabulary: WordPieceVocabulary;
  idLimit: number;
  unknownId: number;
  /** A word of more code points than this, after normalisation, is one unknown token. */
  maxWordCharacters: number;
  characters: BertCharacters;
  /** Tokens that are matched in the text as it is, before anything else, with their ids. */
  addedTokens: ReadonlyMap<string, number>;
}

const CACHED_WORDS = 2 ** 16;
const CACHED_UNITS = 2 ** 20;
const CACHED_TOKENS = 2 ** 18;
/** Longer words are rarely met twice; not keeping them makes the cache last longer. */
const LONGEST_CACHED_WORD = 48;

/**
 * BERT's tokenizer: normalise, split into words, cut each word into pieces. Words met before come from a cache of
 * fixed size that starts anew when full: cutting is the slow part, and texts repeat their words. Not re-entrant,
 * which is no limit as every method is synchronous.
 */
export class WordPieceTokenizer implements ModelTokenizer {
  readonly idLimit: number;
  readonly unknownId: number;
  readonly #vocabulary: WordPieceVocabulary;
  readonly #scanner: BertWordScanner;
  readonly #addedTokens: AddedTokens | null;

  readonly #cache = new WordTable(CACHED_WORDS, CACHED_UNITS);
  /** Where the tokens of each cached word start in #tokens; they end where the next ones start. */
  readonly #tokenStarts = new Int32Array(CACHED_WORDS + 1);
  readonly #tokens: Int32Array;
  // Tokens of the word looked up last: #tokens[#from, #from + #count).
  #from = 0;
  #count = 0;

  constructor(model: WordPieceModel) {
    this.idLimit = model.idLimit;
    this.unknownId = model.unknownId;
    this.#vocabulary = model.vocabulary;
    this.#scanner = new BertWordScanner(model.characters, model.maxWordCharacters);
    this.#addedTokens = model.addedTokens.size === 0 ? null : new AddedTokens(model.addedTokens);
    // The words in the cache, and room after them for one that is not.
    this.#tokens = new Int32Array(CACHED_TOKENS + this.#scanner.word.length);
  }

  count(text: string): number {
    let tokens = 0;
    this.#eachWord(text, (_start, _end, count) => {
      tokens += count;
    });
    return tokens;
  }

  words(text: string): Word[] {
    const words: Word[] = [];
    this.#eachWord(text, (start, end, tokens) => {
      words.push({ start, end, tokens });
    });
    return words;
  }

  encodeInto(text: string, from: number, buffer: TokenBuffer): number {
    // Room for the longest word, which has no more pieces than code units.
    const longest = this.#scanner.word.length;
    growTokenBuffer(buffer, longest);
    const fullAt = buffer.ids.length - longest;
    let at = from;
    while (at < text.length) {
      const added = this.#addedTokens?.next(text, at);
      const stop = added?.start ?? text.length;
      at = this.#encodePlain(text, at, stop, buffer, fullAt);
      if (at < stop || buffer.length > fullAt) return at;
      if (added === undefined) break;
      buffer.ids[buffer.length++] = added.id;
      at = added.end;
    }
    return at;
  }

  #encodePlain(text: string, from: number, stop: number, buffer: TokenBuffer, fullAt: number): number {
    const scanner = this.#scanner;
    let at = from;
    while (buffer.length <= fullAt) {
      at = scanner.next(text, at, stop);
      if (scanner.length === 0) return stop;
      this.#lookUp();
      const { ids } = buffer;
      for (let token = 0; token < this.#count; token++) {
        ids[buffer.length + token] = this.#tokens[this.#from + token] as number;
      }
      buffer.length += this.#count;
    }
    return at;
  }

  #eachWord(text: string, visit: (start: number, end: number, tokens: number) => void): void {
    const scanner = this.#scanner;
    let at = 0;
    while (at < text.length) {
      const added = this.#addedTokens?.next(text, at);
      const stop = added?.start ?? text.length;
      for (at = scanner.next(text, at, stop); scanner.length > 0; at = scanner.next(text, at, stop)) {
        this.#lookUp();
        visit(scanner.start, scanner.end, this.#count);
      }
      if (added === undefined) return;
      visit(added.start, added.end, 1);
      at = added.end;
    }
  }

  /** Puts the tokens of the word that the scanner found last into #from and #count. */
  #lookUp(): void {
    const { word, length, hash, isTooLong } = this.#scanner;
    const cached = isTooLong ? -1 : this.#cache.find(word, 0, length, hash);
    if (cached !== -1) {
      this.#from = this.#tokenStarts[cached] as number;
      this.#count = (this.#tokenStarts[cached + 1] as number) - this.#from;
      return;
    }
    this.#from = this.#tokenStarts[this.#cache.size] as number;
    if (this.#from >= CACHED_TOKENS || !this.#cache.hasRoomFor(LONGEST_CACHED_WORD)) {
      this.#cache.clear();
      this.#from = 0;
    }
    this.#count = isTooLong ? 0 : this.#vocabulary.cut(word, length, this.#tokens, this.#from);
    if (this.#count === 0) {
      this.#tokens[this.#from] = this.unknownId;
      this.#count = 1;
    }
    if (isTooLong || length > LONGEST_CACHED_WORD) return;
    const entry = this.#cache.add(word, 0, length, hash);
    this.#tokenStarts[entry + 1] = this.#from + this.#count;
  }
}
