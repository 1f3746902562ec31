import { readFileSync } from 'node:fs';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { TINY_TOKENS, wordPieceTokenizer } from '../../../scripts/make-fixture-models.ts';
import { createTokenBuffer } from './model-tokenizer.ts';
import type { ModelTokenizer } from './model-tokenizer.ts';
import { openTokenizer } from './open-tokenizer.ts';

const UNKNOWN = 100;
const SHIPPED = JSON.parse(
  readFileSync(new URL('../../../models/static-en-256/tokenizer.json', import.meta.url), 'utf8'),
);
const tokenizer = await openTokenizer(SHIPPED, 'tokenizer.json');
const library = new LibraryTokenizer(SHIPPED, {});

function encode(text: string, by: ModelTokenizer = tokenizer): number[] {
  const buffer = createTokenBuffer();
  const ids: number[] = [];
  for (let at = 0; at < text.length;) {
    buffer.length = 0;
    at = by.encodeInto(text, at, buffer);
    ids.push(...buffer.ids.subarray(0, buffer.length));
  }
  return ids;
}

/** The words as the text has them, with their counts. */
function wordsOf(text: string, by: ModelTokenizer = tokenizer): [string, number][] {
  return by.words(text).map(({ start, end, tokens }) => [text.slice(start, end), tokens]);
}

function withNormalizer(changes: Record<string, unknown>): Promise<ModelTokenizer> {
  const tiny = wordPieceTokenizer([...TINY_TOKENS, 'A', 'é', 'É', '##́']);
  return openTokenizer({ ...tiny, normalizer: { ...(tiny['normalizer'] as object), ...changes } }, 'tiny');
}

describe('ids', () => {
  it('are those of the Rust tokenizers, which made the model', () => {
    const { cases } = JSON.parse(
      readFileSync(new URL('word-piece-reference.json', import.meta.url), 'utf8'),
    ) as {
      cases: [string, number[]][];
    };
    expect(cases.length).toBeGreaterThan(300);
    for (const [text, ids] of cases) expect(encode(text), JSON.stringify(text)).toEqual(ids);
  });

  it('are those of the JavaScript tokenizers for texts at random, but where those differ from BERT', () => {
    const random = seededRandom(11);
    let compared = 0;
    for (let round = 0; round < 500; round++) {
      const text = randomText(random);
      if (libraryDiffers(text)) continue;
      expect(encode(text), JSON.stringify(text)).toEqual(
        library.encode(text, { add_special_tokens: false }).ids,
      );
      compared += 1;
    }
    expect(compared).toBeGreaterThan(300);
  });

  it('set CJK ideographs beyond the first plane apart, which the library sees as halves', () => {
    // BERT asks for the code point (tokenization.py, _is_chinese_char); the library looks at UTF-16 units.
    const text = 'a\u{20000}b';
    expect(encode(text)).toEqual([...encode('a'), UNKNOWN, ...encode('b')]);
    expect(library.encode(text, { add_special_tokens: false }).ids).toEqual([UNKNOWN]);
  });

  it('lower every sigma alike, where the library writes a final one', () => {
    // BERT's Python lowers whole words and so agrees with the library; the Rust tokenizers lower character by
    // character, and it is their ids that the model's vectors were made for.
    expect(encode('ΟΔΟΣ')).toEqual(encode('οδοσ'));
    expect(encode('ΟΔΟΣ')).not.toEqual(encode('οδος'));
    expect(library.encode('ΟΔΟΣ', { add_special_tokens: false }).ids).toEqual(encode('οδος'));
  });

  it('count the characters of a long word, not its code units', async () => {
    expect(encode('x'.repeat(100))).not.toContain(UNKNOWN);
    expect(encode('x'.repeat(101))).toEqual([UNKNOWN]);
    const emoji = await openTokenizer(wordPieceTokenizer(['😀', '##😀']), 'tiny');
    expect(encode('😀'.repeat(100), emoji)).toHaveLength(100);
    expect(encode('😀'.repeat(101), emoji)).toEqual([1]);
  });

  it('treat lone surrogates as the replacement character, which is dropped', () => {
    expect(encode('pass\ud800word')).toEqual(encode('password'));
    expect(encode('\udc00')).toEqual([]);
    expect(wordsOf('pass\ud800word')).toEqual([['pass\ud800word', 1]]);
  });

  it('come in parts when the buffer is full, the same in all', () => {
    const text = 'Checkout API returns 502 under load, [MASK] naïve! '.repeat(400);
    const buffer = createTokenBuffer();
    const first = tokenizer.encodeInto(text, 0, buffer);
    expect(first).toBeLessThan(text.length);
    expect(encode(text)).toEqual(library.encode(text, { add_special_tokens: false }).ids);
  });

  it('stay the same when the cache has been started anew', () => {
    const before = encode('antidisestablishmentarianism');
    const random = seededRandom(5);
    // More distinct words than the cache holds.
    const words = Array.from({ length: 70_000 }, (_, index) => `w${index}x${Math.floor(random() * 1e6)}`);
    const counted = tokenizer.count(words.join(' '));
    expect(counted).toBe(words.reduce((sum, word) => sum + tokenizer.count(word), 0));
    expect(encode('antidisestablishmentarianism')).toEqual(before);
  });

  it('find tokens of the model that a text spells out, and no others', () => {
    expect(encode('a[MASK]b')).toEqual([...encode('a'), 103, ...encode('b')]);
    expect(encode('[mask]')).toEqual([...encode('['), ...encode('mask'), ...encode(']')]);
  });

  it('follow the options of the normaliser', async () => {
    const cased = await withNormalizer({ lowercase: false });
    expect(encode('A a', cased)).toEqual([cased.idLimit - 4, 4]);
    // Without lowering, accents stay as well, unless asked for.
    expect(encode('É', cased)).toEqual([cased.idLimit - 2]);
    const stripped = await withNormalizer({ lowercase: false, strip_accents: true });
    expect(encode('É', stripped)).toEqual([1]);
    const accented = await withNormalizer({ strip_accents: false });
    expect(encode('É', accented)).toEqual([accented.idLimit - 3]);
    expect(wordsOf('e\u0301 a', accented)).toEqual([
      ['e\u0301', 2],
      ['a', 1],
    ]);
    const joined = await withNormalizer({ handle_chinese_chars: false });
    expect(wordsOf('中a', joined)).toEqual([['中a', 2]]);
    const raw = await withNormalizer({ clean_text: false });
    expect(wordsOf('a\u200bb', raw)).toEqual([['a\u200bb', 1]]);
    expect(encode('a\u200bb', raw)).toEqual([1]);
  });
});

describe('words', () => {
  it.each<[string, string, [string, number][]]>([
    ['blanks', ' \t\n ', []],
    [
      'punctuation',
      "don't!",
      [
        ['don', 1],
        ["'", 1],
        ['t', 1],
        ['!', 1],
      ],
    ],
    [
      'emoji of one and several code points',
      'go 🚀 👩‍💻',
      [
        ['go', 1],
        ['🚀', 1],
        ['👩‍💻', 1],
      ],
    ],
    [
      'combining marks, also after punctuation',
      'cafe\u0301 !\u0301 x',
      [
        ['cafe\u0301', 1],
        ['!\u0301', 1],
        ['x', 1],
      ],
    ],
    ['a mark that stands alone', '\u0301 a', [['a', 1]]],
    [
      'CJK, also with a mark',
      '中文a\u4e2d\u0301',
      [
        ['中', 1],
        ['文', 1],
        ['a', 1],
        ['中\u0301', 1],
      ],
    ],
    [
      'CJK beyond the first plane',
      'a\u{20000}b',
      [
        ['a', 1],
        ['\u{20000}', 1],
        ['b', 1],
      ],
    ],
    [
      'zero-width characters inside and between',
      'a\u200bb \u200b c',
      [
        ['a\u200bb', 1],
        ['c', 1],
      ],
    ],
    ['a soft hyphen and a byte order mark', '\ufeffpass\u00adword', [['pass\u00adword', 1]]],
    [
      'a character that turns into punctuation',
      'a≠b',
      [
        ['a', 1],
        ['≠', 1],
        ['b', 1],
      ],
    ],
    [
      'a word too long',
      `a ${'x'.repeat(300)} b`,
      [
        ['a', 1],
        ['x'.repeat(300), 1],
        ['b', 1],
      ],
    ],
    [
      'a token of the model',
      'a [SEP]b',
      [
        ['a', 1],
        ['[SEP]', 1],
        ['b', 1],
      ],
    ],
    ['Hangul, taken apart into jamo', '한국', [['한국', 6]]],
  ])('have the offsets of the original text: %s', (_name, text, expected) => {
    expect(wordsOf(text)).toEqual(expected);
  });

  it('are in order, apart, and add up to the count and the ids of the text', () => {
    const random = seededRandom(23);
    for (let round = 0; round < 300; round++) {
      const text = randomText(random);
      const words = tokenizer.words(text);
      let end = 0;
      for (const word of words) {
        expect(word.start).toBeGreaterThanOrEqual(end);
        expect(word.end).toBeGreaterThan(word.start);
        expect(word.tokens).toBeGreaterThan(0);
        expect(tokenizer.count(text.slice(word.start, word.end)), JSON.stringify(text)).toBe(word.tokens);
        end = word.end;
      }
      const sum = words.reduce((tokens, word) => tokens + word.tokens, 0);
      expect(tokenizer.count(text)).toBe(sum);
      expect(encode(text)).toHaveLength(sum);
    }
  });
});

it('takes time in proportion to the text, whatever the text', () => {
  const random = seededRandom(3);
  const letters = Array.from({ length: 1_000_000 }, (_, index) =>
    index % 100 === 99 ? ' ' : 'abcdefghijklmnopqrstuvwxyz0123456789'.charAt(Math.floor(random() * 36)),
  ).join('');
  const start = process.cpuUsage();
  tokenizer.count(letters);
  // About 0.15 s of processor time; a cut that tries every length of every piece takes several seconds.
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(2000);
});

/** Where the library is wrong; each case has its own test above. */
function libraryDiffers(text: string): boolean {
  return /[\u{20000}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/u.test(text) || text.includes('Σ');
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

const SCRIPTS: [number, number][] = [
  [0x00, 0x20],
  [0x20, 0x7f],
  [0x80, 0x250],
  [0x300, 0x370],
  [0x370, 0x530],
  [0x590, 0x700],
  [0x900, 0xa00],
  [0x1100, 0x1200],
  [0x1e00, 0x2c00],
  [0x3000, 0x3100],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a4],
  [0xd800, 0xe000],
  [0xf900, 0x10000],
  [0x1f300, 0x1f700],
  [0x20000, 0x20400],
  [0xe0000, 0xe0200],
];

function randomText(random: () => number): string {
  const words = ['the', 'Reset', 'PASSWORD', 'café', 'unbelievably', 'x1', '[MASK]', '##ing', 'nai\u0308ve'];
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  return Array.from({ length: 1 + Math.floor(random() * 20) }, () => {
    const [low, high] = pick(SCRIPTS);
    const piece =
      random() < 0.4 ? pick(words) : String.fromCodePoint(low + Math.floor(random() * (high - low)));
    return random() < 0.4 ? `${piece} ` : piece;
  }).join('');
}
