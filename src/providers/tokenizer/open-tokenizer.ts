import { usageError } from '../../errors/vecpipe-error.ts';
import { BertCharacters } from './bert-characters.ts';
import type { ModelTokenizer } from './model-tokenizer.ts';
import { invalidTokenizer, readTokenizerFile, readVocabulary } from './tokenizer-file.ts';
import type { TokenizerFile } from './tokenizer-file.ts';
import { WordPieceTokenizer } from './word-piece-tokenizer.ts';
import { WordPieceVocabulary } from './word-piece-vocabulary.ts';

const LIBRARY_MODEL_TYPES = ['WordPiece', 'BPE', 'Unigram', 'WordLevel'];
const DEFAULT_MAX_WORD_CHARACTERS = 100;
/** Of the fast tokenizer's buffers; no BERT model comes near it. */
const MAX_WORD_CHARACTERS = 1000;

/**
 * Makes the tokenizer that a parsed `tokenizer.json` describes: BERT's by our own code, which is several times
 * faster, the others by the library. Padding and truncation that the file asks for are not done.
 *
 * @param path names the file in messages
 * @throws {VecpipeError} usage: `model_invalid` when the file contradicts itself, `model_unsupported` when it asks
 * for a kind of tokenizer that vecpipe does not have
 */
export async function openTokenizer(parsed: unknown, path: string): Promise<ModelTokenizer> {
  const file = readTokenizerFile(parsed, path);
  if (!LIBRARY_MODEL_TYPES.includes(file.modelType)) {
    throw usageError(
      'model_unsupported',
      `the tokenizer file ${path} asks for a tokenizer of kind "${file.modelType}", which vecpipe does not have`,
      `use a model whose tokenizer is one of ${LIBRARY_MODEL_TYPES.join(', ')}`,
    );
  }
  if (isBertTokenizer(file)) return createWordPieceTokenizer(file);
  const { createLibraryTokenizer } = await import('./library-tokenizer.ts');
  return createLibraryTokenizer(file);
}

function isBertTokenizer({
  modelType,
  model,
  normalizer,
  preTokenizer,
  addedTokens,
}: TokenizerFile): boolean {
  return (
    modelType === 'WordPiece' &&
    normalizer?.['type'] === 'BertNormalizer' &&
    preTokenizer?.['type'] === 'BertPreTokenizer' &&
    addedTokens.every((token) => token.isLiteral) &&
    maxWordCharacters(model) <= MAX_WORD_CHARACTERS
  );
}

function createWordPieceTokenizer(file: TokenizerFile): ModelTokenizer {
  const { model, path, addedTokens } = file;
  const vocabulary = readVocabulary(file);
  const unknownToken = textOr(model['unk_token'], '[UNK]');
  const unknownId = vocabulary.ids[vocabulary.tokens.indexOf(unknownToken)];
  if (unknownId === undefined) {
    throw invalidTokenizer(path, `has no token "${unknownToken}", its own unknown token`);
  }
  const normalizer = file.normalizer ?? {};
  const lowercase = normalizer['lowercase'] !== false;
  const stripAccents = normalizer['strip_accents'];
  return new WordPieceTokenizer({
    vocabulary: new WordPieceVocabulary(vocabulary, textOr(model['continuing_subword_prefix'], '##')),
    idLimit: vocabulary.idLimit,
    unknownId,
    maxWordCharacters: maxWordCharacters(model),
    characters: new BertCharacters({
      cleanText: normalizer['clean_text'] !== false,
      handleChineseCharacters: normalizer['handle_chinese_chars'] !== false,
      // Left open, it follows the case, as in BERT's own code.
      stripAccents: typeof stripAccents === 'boolean' ? stripAccents : lowercase,
      lowercase,
    }),
    addedTokens: new Map(addedTokens.map(({ content, id }) => [content, id])),
  });
}

function maxWordCharacters(model: Record<string, unknown>): number {
  const limit = model['max_input_chars_per_word'];
  return typeof limit === 'number' && limit > 0 ? limit : DEFAULT_MAX_WORD_CHARACTERS;
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
