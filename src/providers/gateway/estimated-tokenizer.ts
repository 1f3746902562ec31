import type { Tokenizer, Word } from '../../ports/embedding-provider.ts';

/**
 * A tokenizer for endpoints whose own is not known. Its counts are an estimate that lies above what WordPiece (BERT)
 * and byte-pair models (cl100k) give for ordinary text, so that what fits by it fits; a count too high costs a chunk
 * more, one too low a refused row.
 *
 * A word is a run of letters, a run of digits, or any other character that is not white space. Its tokens:
 * - ASCII letters: each part that a capital after a small letter begins counts for itself; up to 4 letters 1, up to 6 letters 2, beyond that
 *   1 for 3 letters, and 1 for 2 in more than 9; without a vowel 1 for 2 letters; next to a digit, as in hashes and
 *   base64, 2 for 3 letters
 * - other letters: 1 for 2 bytes of UTF-8
 * - digits: 1 for 2
 * - Chinese and Japanese characters: 2 each, Korean syllables 3
 * - other characters: 1, or 1 less than their bytes of UTF-8
 */
export const estimatedTokenizer: Tokenizer = {
  count(text) {
    let tokens = 0;
    eachWord(text, (_start, _end, count) => {
      tokens += count;
    });
    return tokens;
  },
  words(text) {
    const words: Word[] = [];
    eachWord(text, (start, end, tokens) => {
      words.push({ start, end, tokens });
    });
    return words;
  },
};

const SPACE = 0;
const LETTER = 1;
const DIGIT = 2;
const IDEOGRAPH = 3;
const SYLLABLE = 4;
const SIGN = 5;

function eachWord(text: string, visit: (start: number, end: number, tokens: number) => void): void {
  let at = 0;
  while (at < text.length) {
    const point = text.codePointAt(at) as number;
    const start = at;
    at += point > 0xffff ? 2 : 1;
    switch (classOf(point)) {
      case SPACE:
        break;
      case LETTER: {
        at = endOfRun(text, at, LETTER);
        visit(start, at, letterTokens(text, start, at, isBesideDigit(text, start, at)));
        break;
      }
      case DIGIT: {
        at = endOfRun(text, at, DIGIT);
        visit(start, at, Math.ceil((at - start) / 2));
        break;
      }
      case IDEOGRAPH:
        visit(start, at, point > 0xffff ? 3 : 2);
        break;
      case SYLLABLE:
        visit(start, at, 3);
        break;
      default:
        visit(start, at, Math.max(1, utf8Bytes(point) - 1));
    }
  }
}

function endOfRun(text: string, from: number, wanted: number): number {
  let at = from;
  while (at < text.length) {
    const point = text.codePointAt(at) as number;
    if (classOf(point) !== wanted) break;
    at += point > 0xffff ? 2 : 1;
  }
  return at;
}

function letterTokens(text: string, start: number, end: number, isMixed: boolean): number {
  let tokens = 0;
  let otherBytes = 0;
  let length = 0;
  let hasVowel = false;
  let wasLower = false;
  for (let at = start; at < end; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) {
      // Each half of a surrogate pair stands for two of its four bytes.
      otherBytes += unit < 0x800 || isSurrogate(unit) ? 2 : 3;
      continue;
    }
    const isLower = unit >= 0x61;
    if (wasLower && !isLower) {
      tokens += partTokens(length, hasVowel, isMixed);
      length = 0;
      hasVowel = false;
    }
    wasLower = isLower;
    length += 1;
    hasVowel ||= isVowel(unit | 0x20);
  }
  return Math.max(1, tokens + partTokens(length, hasVowel, isMixed) + Math.ceil(otherBytes / 2));
}

function partTokens(length: number, hasVowel: boolean, isMixed: boolean): number {
  if (length === 0) return 0;
  if (isMixed) return Math.ceil((length * 2) / 3);
  if (!hasVowel) return Math.ceil(length / 2);
  if (length <= 4) return 1;
  if (length <= 9) return Math.ceil(length / 3);
  return Math.ceil(length / 2);
}

function isBesideDigit(text: string, start: number, end: number): boolean {
  return isDigit(text.charCodeAt(start - 1)) || isDigit(text.charCodeAt(end));
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function isVowel(unit: number): boolean {
  return unit === 0x61 || unit === 0x65 || unit === 0x69 || unit === 0x6f || unit === 0x75 || unit === 0x79;
}

function classOf(point: number): number {
  if (point < 0x80) {
    if ((point >= 0x61 && point <= 0x7a) || (point >= 0x41 && point <= 0x5a)) return LETTER;
    if (point >= 0x30 && point <= 0x39) return DIGIT;
    return point === 0x20 || (point >= 0x09 && point <= 0x0d) ? SPACE : SIGN;
  }
  if (point < 0x2000) return point < 0xc0 ? classOfLatin1Sign(point) : classOfLetter(point);
  if (point < 0x2e80) return isWideSpace(point) ? SPACE : SIGN;
  if (point < 0xa000) return classOfEastAsian(point);
  if (point >= 0xac00 && point <= 0xd7ff) return SYLLABLE;
  if (point >= 0xf900 && point <= 0xfaff) return IDEOGRAPH;
  if (point === 0xfeff) return SPACE;
  if (point >= 0xfe00 && point <= 0xffff) return point >= 0xff66 && point <= 0xff9f ? IDEOGRAPH : SIGN;
  if (point >= 0x20000) return point < 0x40000 ? IDEOGRAPH : SIGN;
  return point >= 0x1f000 ? SIGN : LETTER;
}

function classOfLatin1Sign(point: number): number {
  if (point === 0x85 || point === 0xa0) return SPACE;
  return point === 0xaa || point === 0xb5 || point === 0xba ? LETTER : SIGN;
}

function classOfLetter(point: number): number {
  if (point === 0xd7 || point === 0xf7) return SIGN;
  if (point >= 0x1100 && point <= 0x11ff) return SYLLABLE;
  return point === 0x1680 ? SPACE : LETTER;
}

function classOfEastAsian(point: number): number {
  if (point === 0x3000) return SPACE;
  if (point >= 0x3001 && point <= 0x303f) return point >= 0x3005 && point <= 0x3007 ? IDEOGRAPH : SIGN;
  return point >= 0x3130 && point <= 0x318f ? SYLLABLE : IDEOGRAPH;
}

function isWideSpace(point: number): boolean {
  return point <= 0x200a || point === 0x2028 || point === 0x2029 || point === 0x202f || point === 0x205f;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function utf8Bytes(point: number): number {
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x10000 ? 3 : 4;
}
