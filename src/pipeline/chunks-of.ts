import type { Chunking } from '../entities/entity.ts';
import type { Tokenizer } from '../ports/embedding-provider.ts';
import { chunkText } from './chunk-text.ts';

/** The texts to embed for one row, in order; the whole text where there is no chunking, none for an empty one. */
export function chunksOf(text: string, tokenizer: Tokenizer, chunking: Chunking | null): string[] {
  if (text === '') return [];
  return chunking === null ? [text] : chunkText(text, tokenizer, chunking);
}
