import type { Chunking } from '../entities/entity.ts';
import type { Tokenizer, Word } from '../ports/embedding-provider.ts';

/**
 * Cuts a text into overlapping chunks of at most `maxTokens` tokens, at word boundaries by the tokenizer's own
 * counts. In order, without blanks around them; every non-blank character is in at least one of them. A text that
 * fits is given back as it is.
 *
 * Two neighbours share as many whole words as have at most `overlap` tokens, fewer where the second one would
 * otherwise hold nothing new. A word of more than `maxTokens` tokens is halved until its parts fit; a surrogate
 * pair is never parted, so a single character that alone has more tokens than that remains a chunk of its own.
 *
 * @throws {RangeError} when `maxTokens` is below 1
 */
export function chunkText(text: string, tokenizer: Tokenizer, { maxTokens, overlap }: Chunking): string[] {
  if (!(maxTokens >= 1)) throw new RangeError(`maxTokens must be at least 1, not ${maxTokens}`);
  if (tokenizer.count(text) <= maxTokens) return [text];
  const parts = tokenizer.words(text).flatMap((word) => fittingParts(text, word, tokenizer, maxTokens));
  if (parts.length === 0) return [text];

  const chunks: string[] = [];
  let first = 0;
  let done = 0;
  while (done < parts.length) {
    const chunk = longestChunk(text, parts, first, tokenizer, maxTokens);
    // With fewer words of the chunk before, there is room for a new one.
    if (chunk.end <= done) {
      first += 1;
      continue;
    }
    chunks.push(chunk.text);
    done = chunk.end;
    first = overlapStart(parts, first, done, maxTokens, overlap);
  }
  return chunks;
}

interface Chunk {
  text: string;
  /** Index after its last part. */
  end: number;
}

function longestChunk(
  text: string,
  parts: readonly Word[],
  first: number,
  tokenizer: Tokenizer,
  maxTokens: number,
): Chunk {
  let end = first;
  let tokens = 0;
  for (let part = parts[end]; part !== undefined; part = parts[end]) {
    if (end > first && tokens + part.tokens > maxTokens) break;
    tokens += part.tokens;
    end += 1;
  }
  for (;;) {
    const chunk = sliceParts(text, parts, first, end);
    // The parts of a halved word, or words of a tokenizer that looks across blanks, may count more together than
    // each by itself: only the count of the chunk as it will be embedded is to be relied on.
    let excess = tokenizer.count(chunk) - maxTokens;
    if (excess <= 0 || end === first + 1) return { text: chunk, end };
    while (excess > 0 && end > first + 1) {
      end -= 1;
      // At least one a step, since a part without tokens of its own brings the end no nearer.
      excess -= Math.max(parts[end]?.tokens ?? 0, 1);
    }
  }
}

/**
 * From the first part to where the next chunk's own text starts, so that characters without a token (a combining
 * mark after a blank, a format character between words) go with what stands before them.
 */
function sliceParts(text: string, parts: readonly Word[], first: number, end: number): string {
  const from = first === 0 ? 0 : (parts[first]?.start ?? text.length);
  return text.slice(from, parts[end]?.start ?? text.length).trim();
}

/** The first part of the next chunk: back from the end of this one by whole parts, but not to its own start. */
function overlapStart(
  parts: readonly Word[],
  first: number,
  end: number,
  maxTokens: number,
  overlap: number,
): number {
  const room = Math.min(overlap, maxTokens - (parts[end]?.tokens ?? 0));
  let start = end;
  let tokens = 0;
  for (
    let previous = parts[start - 1];
    previous !== undefined && start - 1 > first;
    previous = parts[start - 1]
  ) {
    if (tokens + previous.tokens > room) break;
    tokens += previous.tokens;
    start -= 1;
  }
  return start;
}

/** The word itself, or its halves, their halves and so on. */
function fittingParts(text: string, word: Word, tokenizer: Tokenizer, maxTokens: number): Word[] {
  if (word.tokens <= maxTokens) return [word];
  const middle = middleOf(text, word);
  if (middle === null) return [word];
  const halves = [
    { start: word.start, end: middle },
    { start: middle, end: word.end },
  ];
  return halves.flatMap(({ start, end }) => {
    const tokens = tokenizer.count(text.slice(start, end));
    return fittingParts(text, { start, end, tokens }, tokenizer, maxTokens);
  });
}

/** Null when the word is a single character. */
function middleOf(text: string, { start, end }: Word): number | null {
  const middle = start + Math.floor((end - start) / 2);
  for (const candidate of [middle, middle + 1]) {
    if (candidate > start && candidate < end && !partsPair(text, candidate)) return candidate;
  }
  return null;
}

function partsPair(text: string, at: number): boolean {
  return isBetween(text.charCodeAt(at - 1), 0xd800, 0xdbff) && isBetween(text.charCodeAt(at), 0xdc00, 0xdfff);
}

function isBetween(unit: number, low: number, high: number): boolean {
  return unit >= low && unit <= high;
}
