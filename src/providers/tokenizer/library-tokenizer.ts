import { Tokenizer } from '@huggingface/tokenizers';
import { usageError } from '../../errors/vecpipe-error.ts';
import type { Word } from '../../ports/embedding-provider.ts';
import { errorMessage } from '../../util/error-message.ts';
import { growTokenBuffer } from './model-tokenizer.ts';
import type { ModelTokenizer, TokenBuffer } from './model-tokenizer.ts';
import { readVocabulary } from './tokenizer-file.ts';
import type { TokenizerFile } from './tokenizer-file.ts';

const WORD = /\S+/g;
const REMEMBERED_COUNTS = 20_000;
/** A longer part of a string keeps the whole of it in memory (V8 copies up to twelve characters). */
const LONGEST_REMEMBERED_WORD = 12;

/**
 * @throws {VecpipeError} usage: `model_unsupported` when the library cannot make sense of the file, `model_invalid`
 * when its vocabulary is none
 */
export function createLibraryTokenizer(file: TokenizerFile): ModelTokenizer {
  // The library makes room for the largest id unseen. A list numbers its tokens itself.
  if (!Array.isArray(file.model['vocab'])) readVocabulary(file);
  const absentParts = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  const description = { ...absentParts, ...file.json, added_tokens: file.json['added_tokens'] ?? [] };
  try {
    const tokenizer = new Tokenizer(description, { unk_token: file.model['unk_token'] });
    // Some parts are looked at only when the first text comes.
    tokenizer.encode('a', { add_special_tokens: false });
    return new LibraryTokenizer(tokenizer);
  } catch (error) {
    throw usageError(
      'model_unsupported',
      `the tokenizer file ${file.path} asks for something that vecpipe does not have: ${errorMessage(error)}`,
      'use a model whose tokenizer is of a common kind',
      error,
    );
  }
}

/**
 * Any `tokenizer.json` through @huggingface/tokenizers. It tells no offsets, so a word is a run of non-blank
 * characters counted by itself: the sum over the words may be a little more than the count of the whole text.
 */
class LibraryTokenizer implements ModelTokenizer {
  readonly idLimit: number;
  readonly unknownId: number | null;
  readonly #tokenizer: Tokenizer;
  readonly #counts = new Map<string, number>();

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.unknownId = tokenizer.model?.unk_token_id ?? null;
    let idLimit = 0;
    for (const id of tokenizer.get_vocab().values()) idLimit = Math.max(idLimit, id + 1);
    this.idLimit = idLimit;
  }

  count(text: string): number {
    return this.#encode(text).length;
  }

  words(text: string): Word[] {
    const words: Word[] = [];
    for (const match of text.matchAll(WORD)) {
      const [word] = match;
      words.push({ start: match.index, end: match.index + word.length, tokens: this.#countWord(word) });
    }
    return words;
  }

  encodeInto(text: string, from: number, buffer: TokenBuffer): number {
    const ids = this.#encode(from === 0 ? text : text.slice(from));
    growTokenBuffer(buffer, ids.length);
    buffer.ids.set(ids, buffer.length);
    buffer.length += ids.length;
    return text.length;
  }

  #encode(text: string): number[] {
    // The library gives no id to a character that a vocabulary without an unknown token does not have.
    return this.#tokenizer
      .encode(text, { add_special_tokens: false })
      .ids.filter((id: number | undefined) => id !== undefined);
  }

  #countWord(word: string): number {
    if (word.length > LONGEST_REMEMBERED_WORD) return this.count(word);
    let count = this.#counts.get(word);
    if (count === undefined) {
      count = this.count(word);
      if (this.#counts.size >= REMEMBERED_COUNTS) this.#counts.clear();
      this.#counts.set(word, count);
    }
    return count;
  }
}
