import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Chunking } from '../entities/entity.ts';
import type { Tokenizer, Word } from '../ports/embedding-provider.ts';
// oxlint-disable-next-line no-restricted-imports -- the chunker has to hold for the tokenizer that it meets most
import { openTokenizer } from '../providers/tokenizer/open-tokenizer.ts';
import { chunkText } from './chunk-text.ts';

/** A word is a run of non-blanks and has one token for every four characters begun. */
const byFours: Tokenizer = {
  count: (text) => wordsBy(text, foursOf).reduce((sum, { tokens }) => sum + tokens, 0),
  words: (text) => wordsBy(text, foursOf),
};

/** Looks across blanks, as some tokenizers do: a text has a token more for every third blank in it. */
const crossing: Tokenizer = {
  count: (text) => byFours.count(text) + Math.floor((text.match(/\s/g) ?? []).length / 3),
  words: (text) => byFours.words(text),
};

/** A token for every byte, as byte-level vocabularies fall back to. */
const byBytes: Tokenizer = {
  count: (text) => Buffer.byteLength(text.replaceAll(/\s/g, '')),
  words: (text) => wordsBy(text, (word) => Buffer.byteLength(word)),
};

const model = new URL('../../models/static-en-256/tokenizer.json', import.meta.url);
const wordPiece = await openTokenizer(JSON.parse(readFileSync(model, 'utf8')), 'tokenizer.json');

const TOKENIZERS: [string, Tokenizer][] = [
  ['tokens of four characters', byFours],
  ['tokens across blanks', crossing],
  ['tokens of bytes', byBytes],
  ['WordPiece', wordPiece],
];

function foursOf(word: string): number {
  return Math.ceil(word.length / 4);
}

function wordsBy(text: string, tokensOf: (word: string) => number): Word[] {
  return Array.from(text.matchAll(/\S+/g), ({ index, 0: word }) => ({
    start: index,
    end: index + word.length,
    tokens: tokensOf(word),
  }));
}

describe('a text that fits', () => {
  it.each(['', '   ', ' one two ', 'one\n\n'])('is given back as it is: %j', (text) => {
    expect(chunkText(text, byFours, { maxTokens: 2, overlap: 1 })).toEqual([text]);
  });
});

describe('a text that does not fit', () => {
  const cut = (text: string, maxTokens: number, overlap = 0) =>
    chunkText(text, byFours, { maxTokens, overlap });

  it('is cut between words, as full as they allow', () => {
    expect(cut('a b c d e', 2)).toEqual(['a b', 'c d', 'e']);
    expect(cut('aaaaaa b cccccc', 2)).toEqual(['aaaaaa', 'b', 'cccccc']);
    expect(cut('  a  b\n c ', 2)).toEqual(['a  b', 'c']);
  });

  it('repeats whole words of the chunk before, of at most the overlap', () => {
    expect(cut('a b c d e f', 4, 2)).toEqual(['a b c d', 'c d e f']);
    expect(cut('a b c dddd2222 e f g', 5, 3)).toEqual(['a b c dddd2222', 'c dddd2222 e f', 'e f g']);
    // The word before has more tokens than the overlap.
    expect(cut('a bbbb2222 c d', 3, 1)).toEqual(['a bbbb2222', 'c d']);
  });

  it('repeats less where the next word would not fit, and never a whole chunk', () => {
    expect(cut('a b c dddd22223 eeee5', 4, 3)).toEqual(['a b c', 'c dddd22223', 'eeee5']);
    expect(cut('a b c d', 2, 2)).toEqual(['a b', 'b c', 'c d']);
    expect(cut('a b c d', 1, 5)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('ends with the chunk that reaches the end of the text', () => {
    expect(cut('a b c d', 3, 2)).toEqual(['a b c', 'b c d']);
  });

  it('has words of too many tokens halved until they fit', () => {
    expect(cut('a bbbbccccddddeeee f', 2)).toEqual(['a', 'bbbbcccc', 'ddddeeee', 'f']);
    expect(cut('abcdefghijklmnopq', 1).every((chunk) => chunk.length <= 4)).toBe(true);
    expect(cut('abcdefghijklmnopq', 1).join('')).toBe('abcdefghijklmnopq');
  });

  it('never parts a surrogate pair, even where a single character is too much', () => {
    expect(chunkText('🚀🚀🚀', byBytes, { maxTokens: 4, overlap: 0 })).toEqual(['🚀', '🚀', '🚀']);
    expect(chunkText('a🚀b', byBytes, { maxTokens: 2, overlap: 0 })).toEqual(['a', '🚀', 'b']);
  });

  it('takes what has no token along with what stands before it', () => {
    const chunks = chunkText('\u200b one \u0301 two \u200b', wordPiece, { maxTokens: 1, overlap: 0 });
    expect(chunks).toEqual(['\u200b one \u0301', 'two \u200b']);
  });

  it('is cut by the count of a chunk, not by the sum over its words', () => {
    const text = 'a b c d e f g h';
    expect(chunkText(text, crossing, { maxTokens: 4, overlap: 0 })).toEqual(['a b c', 'd e f', 'g h']);
  });

  it('is refused where no chunk could hold anything', () => {
    expect(() => cut('a b', 0)).toThrow(RangeError);
    expect(() => cut('a b', Number.NaN)).toThrow(RangeError);
  });
});

describe.each(TOKENIZERS)('texts at random, %s', (_name, tokenizer) => {
  it('lose nothing, keep to the limit, get ahead and come out the same again', () => {
    const random = seededRandom(17);
    for (let round = 0; round < 200; round++) {
      const text = randomText(random);
      const maxTokens = 1 + Math.floor(random() * 24);
      const chunking = { maxTokens, overlap: Math.floor(random() * (maxTokens + 4)) };
      const chunks = chunkText(text, tokenizer, chunking);
      expect(chunkText(text, tokenizer, chunking)).toEqual(chunks);
      if (tokenizer.count(text) <= maxTokens) expect(chunks).toEqual([text]);
      else
        expect(problemsOf(text, tokenizer, chunking, chunks), JSON.stringify({ text, chunking })).toEqual([]);
    }
  });
});

it.each(TOKENIZERS)('a megabyte takes well under a second, %s', (_name, tokenizer) => {
  const random = seededRandom(29);
  let text = '';
  while (text.length < 1_000_000) text += randomText(random);
  const start = process.cpuUsage();
  const chunks = chunkText(text, tokenizer, { maxTokens: 256, overlap: 32 });
  // 0.1 to 0.3 s; a pass over the rest of the text for every chunk would take minutes. Processor time, so that a
  // busy machine makes no difference.
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(2000);
  expect(chunks.length).toBeGreaterThan(100);
});

/** Walks along the text: each chunk must be found in it, leave out only blanks after the one before, and go beyond it. */
function problemsOf(
  text: string,
  tokenizer: Tokenizer,
  { maxTokens, overlap }: Chunking,
  chunks: readonly string[],
): string[] {
  const problems: string[] = [];
  const words = tokenizer.words(text);
  let coveredTo = 0;
  let lastStart = -1;
  for (const chunk of chunks) {
    // Text at random has no two places alike, so the last one that leaves no gap is where the chunk was cut.
    const start = text.lastIndexOf(chunk, coveredTo + blanksAt(text, coveredTo));
    const end = start + chunk.length;
    if (chunk === '' || chunk !== chunk.trim()) problems.push(`blanks around ${JSON.stringify(chunk)}`);
    if (start <= lastStart) problems.push(`a gap before ${JSON.stringify(chunk)}`);
    if (end <= coveredTo) problems.push(`nothing new in ${JSON.stringify(chunk)}`);
    if (isInsidePair(text, start) || isInsidePair(text, end))
      problems.push(`half a pair in ${JSON.stringify(chunk)}`);
    if (tokenizer.count(chunk) > maxTokens && charactersWithTokens(chunk) > 1) {
      problems.push(`too many tokens in ${JSON.stringify(chunk)}`);
    }
    // Counted by whole words, as far as they were not halved.
    const shared = words.filter((word) => word.start >= start && word.end <= coveredTo);
    if (shared.reduce((sum, { tokens }) => sum + tokens, 0) > overlap) {
      problems.push(`too much repeated in ${JSON.stringify(chunk)}`);
    }
    lastStart = start;
    coveredTo = end;
  }
  if (text.slice(coveredTo).trim() !== '') problems.push('the end is missing');
  return problems;
}

function blanksAt(text: string, at: number): number {
  return /^\s*/.exec(text.slice(at))?.[0].length ?? 0;
}

function charactersWithTokens(chunk: string): number {
  return Array.from(chunk.replaceAll(/[\s\u0301\u200b\u200d]/g, '')).length;
}

function isInsidePair(text: string, at: number): boolean {
  return at > 0 && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1));
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

function randomText(random: () => number): string {
  const letters = Array.from('abcdefghijklmnopqrstuvwxyzéßñд中文한국🚀👩‍💻\u0301\u200b.,!?-_[]');
  const blanks = [' ', ' ', ' ', '\n', '\t', '  ', '\u00a0', '\r\n\r\n'];
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] as string;
  return Array.from({ length: Math.floor(random() * 60) }, () => {
    const length = random() < 0.05 ? 40 + Math.floor(random() * 100) : 1 + Math.floor(random() * 9);
    return Array.from({ length }, () => pick(letters)).join('') + pick(blanks);
  }).join('');
}
