import { DROPPED, ISOLATED, LETTER, MARK, SPACE } from './bert-characters.ts';
import type { BertCharacters } from './bert-characters.ts';
import { HASH_SEED, hashStep } from './word-table.ts';

const ASCII_END = 0x80;
/** The longest expansion of one code point by decomposition and lowering, in code units, with room to spare. */
const MAX_UNITS_A_CHARACTER = 18;

/**
 * Walks through the words of a text, one pass over its code units and no string made for ASCII. The fields tell of
 * the word found last.
 */
export class BertWordScanner {
  /** Its normalised form is `word[0, length)`; 0 when there was no further word. */
  readonly word: Uint16Array;
  length = 0;
  /** Of the normalised form, by `hashStep`. */
  hash = 0;
  /** True when it has more characters than the model takes; its normalised form is then cut off. */
  isTooLong = false;
  /** Where it is in the text, marks on its last character included. */
  start = 0;
  end = 0;

  readonly #characters: BertCharacters;
  readonly #maxCharacters: number;
  /** Folded code unit of an ASCII character that can be part of a longer word, 0 for all others. */
  readonly #asciiLetters = new Uint16Array(ASCII_END);

  constructor(characters: BertCharacters, maxCharacters: number) {
    this.#characters = characters;
    this.#maxCharacters = maxCharacters;
    this.word = new Uint16Array((maxCharacters + 1) * 2 + MAX_UNITS_A_CHARACTER);
    for (let unit = 0; unit < ASCII_END; unit++) {
      if (characters.classOf(unit) !== LETTER) continue;
      this.#asciiLetters[unit] = characters.fold(unit).charCodeAt(0);
    }
  }

  /** Finds the next word of `text[from, stop)` and returns where to go on. */
  next(text: string, from: number, stop: number): number {
    const letters = this.#asciiLetters;
    const characters = this.#characters;
    const maxCharacters = this.#maxCharacters;
    const word = this.word;
    let at = from;
    let start = -1;
    let end = from;
    let length = 0;
    let count = 0;
    let hash = HASH_SEED;
    while (at < stop) {
      const unit = text.charCodeAt(at);
      const letter = unit < ASCII_END ? (letters[unit] as number) : 0;
      if (letter !== 0) {
        if (start === -1) start = at;
        if (count < maxCharacters) {
          word[length++] = letter;
          hash = hashStep(hash, letter);
        }
        count += 1;
        at += 1;
        end = at;
        continue;
      }
      const codePoint = text.codePointAt(at) as number;
      const found = characters.classOf(codePoint);
      if (found === ISOLATED && start !== -1) break;
      const before = at;
      at += codePoint > 0xffff ? 2 : 1;
      if (found === DROPPED) continue;
      if (found === SPACE) {
        if (start === -1) continue;
        break;
      }
      if (found === MARK) {
        if (start !== -1) end = at;
        continue;
      }
      if (start === -1) start = before;
      for (const character of characters.fold(codePoint)) {
        const units = count < maxCharacters ? character.length : 0;
        for (let index = 0; index < units; index++) {
          const folded = character.charCodeAt(index);
          word[length++] = folded;
          hash = hashStep(hash, folded);
        }
        count += 1;
      }
      end = at;
      if (found === ISOLATED) {
        at = this.#endOfMarks(text, at, stop);
        end = at;
        break;
      }
    }
    this.start = start;
    this.end = end;
    this.length = length;
    this.hash = hash;
    this.isTooLong = count > maxCharacters;
    return at;
  }

  #endOfMarks(text: string, from: number, stop: number): number {
    let at = from;
    while (at < stop && text.charCodeAt(at) >= ASCII_END) {
      const codePoint = text.codePointAt(at) as number;
      if (this.#characters.classOf(codePoint) !== MARK) break;
      at += codePoint > 0xffff ? 2 : 1;
    }
    return at;
  }
}
