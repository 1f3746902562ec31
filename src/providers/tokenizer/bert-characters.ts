/** How BERT's normaliser and pre-tokenizer treat one character. */
export const SPACE = 1;
/** Leaves no trace and ends no word: control and format characters, U+FFFD. */
export const DROPPED = 2;
/** A combining mark that accent stripping removes; it belongs to what it stands on. */
export const MARK = 3;
/** A word of its own: punctuation, CJK ideographs. */
export const ISOLATED = 4;
export const LETTER = 5;

export interface BertNormalization {
  cleanText: boolean;
  handleChineseCharacters: boolean;
  stripAccents: boolean;
  lowercase: boolean;
}

const HIGHEST_CODE_POINT = 0x10ffff;
const REPLACEMENT_CHARACTER = 0xfffd;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

// Control, format, private use and lone surrogates. Unassigned characters are kept, as the Rust tokenizers
// keep them: what counts as assigned changes with every Unicode version, and vectors must not.
const CONTROL = /^[\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u;
const WHITE_SPACE = /^\p{White_Space}$/u;
const NONSPACING_MARKS = /\p{Mn}/gu;
const PUNCTUATION = /^[\p{P}!-/:-@[-`{-~]$/u;

/**
 * Character by character what BERT's BasicTokenizer does to a text
 * (https://github.com/google-research/bert/blob/master/tokenization.py), in the order of the Rust port that made
 * the models: clean, set CJK ideographs apart, decompose (NFD) and drop nonspacing marks, lower the case, split
 * at white space and punctuation. Every step but two looks at one character alone, so that offsets into the
 * original text survive, and those two are left out: the canonical reordering of marks that are not dropped (two
 * spacing marks in an order no keyboard gives, never in a vocabulary) and Python's final sigma, which the Rust
 * port does not have either.
 */
export class BertCharacters {
  readonly #normalization: BertNormalization;
  // One byte a code point, 0 where not looked at yet; the pages of scripts that never occur are never touched.
  readonly #classes = new Uint8Array(HIGHEST_CODE_POINT + 1);
  readonly #folded = new Map<number, string>();

  constructor(normalization: BertNormalization) {
    this.#normalization = normalization;
  }

  classOf(codePoint: number): number {
    return this.#classes[codePoint] || this.#classify(codePoint);
  }

  /** What is left of a LETTER or ISOLATED character after decomposing, stripping and lowering. */
  fold(codePoint: number): string {
    let folded = this.#folded.get(codePoint);
    if (folded === undefined) {
      folded = this.#lower(this.#strip(String.fromCodePoint(codePoint)));
      // At most one entry a character of the scripts in use; a text that walks through all of Unicode ends here.
      if (this.#folded.size >= 4096) this.#folded.clear();
      this.#folded.set(codePoint, folded);
    }
    return folded;
  }

  #classify(codePoint: number): number {
    const found = this.#newClassOf(codePoint);
    this.#classes[codePoint] = found;
    return found;
  }

  #newClassOf(codePoint: number): number {
    const { cleanText, handleChineseCharacters } = this.#normalization;
    const character = String.fromCodePoint(codePoint);
    if (cleanText && isRemoved(codePoint, character)) return DROPPED;
    if (WHITE_SPACE.test(character)) return SPACE;
    if (handleChineseCharacters && isChineseCharacter(codePoint)) return ISOLATED;
    // After decomposing: U+2260 (not equal) becomes `=` and a mark, and so is punctuation to BERT.
    const stripped = this.#strip(character);
    if (stripped === '') return MARK;
    return PUNCTUATION.test(stripped) ? ISOLATED : LETTER;
  }

  #strip(character: string): string {
    if (!this.#normalization.stripAccents) return character;
    return character.normalize('NFD').replaceAll(NONSPACING_MARKS, '');
  }

  #lower(character: string): string {
    if (!this.#normalization.lowercase) return character;
    // One at a time: a word as a whole would get a final sigma that depends on what follows.
    return Array.from(character, (each) => each.toLowerCase()).join('');
  }
}

function isRemoved(codePoint: number, character: string): boolean {
  if (codePoint === TAB || codePoint === LINE_FEED || codePoint === CARRIAGE_RETURN) return false;
  return codePoint === REPLACEMENT_CHARACTER || CONTROL.test(character);
}

/** The blocks that BERT calls Chinese: neither kana nor Hangul, which are written in words or runs. */
function isChineseCharacter(codePoint: number): boolean {
  return (
    (codePoint >= 0x4e00 && codePoint <= 0x9fff) ||
    (codePoint >= 0x3400 && codePoint <= 0x4dbf) ||
    (codePoint >= 0x20000 && codePoint <= 0x2a6df) ||
    (codePoint >= 0x2a700 && codePoint <= 0x2b73f) ||
    (codePoint >= 0x2b740 && codePoint <= 0x2b81f) ||
    (codePoint >= 0x2b820 && codePoint <= 0x2ceaf) ||
    (codePoint >= 0xf900 && codePoint <= 0xfaff) ||
    (codePoint >= 0x2f800 && codePoint <= 0x2fa1f)
  );
}
