import { usageError } from '../../errors/vecpipe-error.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';

/** A token that is matched in the text before normalisation and cutting. */
export interface AddedToken {
  id: number;
  content: string;
  /** True when it is matched by its characters alone, in the text as it is. */
  isLiteral: boolean;
}

/** What of a `tokenizer.json` decides how a text is cut, checked; the rest stays in `json`. */
export interface TokenizerFile {
  /** Names the file in messages. */
  path: string;
  json: Record<string, unknown>;
  modelType: string;
  model: Record<string, unknown>;
  normalizer: Record<string, unknown> | null;
  preTokenizer: Record<string, unknown> | null;
  addedTokens: AddedToken[];
}

/** Thirty times the largest vocabulary in use; tables are laid out by the largest id. */
const MAX_TOKENS = 2 ** 24;
const REPLACE_HINT = 'copy the model folder again from where it came from';

/** Reads the parts of a parsed `tokenizer.json`. @throws {VecpipeError} usage, `model_invalid` */
export function readTokenizerFile(parsed: unknown, path: string): TokenizerFile {
  if (!isRecord(parsed) || !isRecord(parsed['model'])) {
    throw invalidTokenizer(path, 'has no object "model"');
  }
  const { model } = parsed;
  return {
    path,
    json: parsed,
    model,
    modelType: modelTypeOf(model),
    normalizer: optionalRecord(parsed['normalizer']),
    preTokenizer: optionalRecord(parsed['pre_tokenizer']),
    addedTokens: readAddedTokens(parsed['added_tokens'], path),
  };
}

/** The tokens of a model, those of `ids[n]` being `tokens[n]`. */
export interface Vocabulary {
  tokens: string[];
  ids: Int32Array;
  /** Every id, those of added tokens included, is below it. */
  idLimit: number;
}

/** `vocab` of a model that maps tokens to ids. @throws {VecpipeError} usage, `model_invalid` */
export function readVocabulary(file: TokenizerFile): Vocabulary {
  const { vocab } = file.model;
  if (!isRecord(vocab)) throw invalidTokenizer(file.path, 'has no object "model.vocab"');
  const tokens = Object.keys(vocab);
  if (tokens.length === 0) throw invalidTokenizer(file.path, 'has an empty "model.vocab"');
  const ids = new Int32Array(tokens.length);
  let idLimit = file.addedTokens.reduce((limit, { id }) => Math.max(limit, id + 1), 0);
  for (let index = 0; index < tokens.length; index++) {
    const id = vocab[tokens[index] as string];
    if (!isTokenId(id))
      throw invalidTokenizer(
        file.path,
        'has a token in "model.vocab" whose id is not a whole number below 2^24',
      );
    ids[index] = id;
    idLimit = Math.max(idLimit, id + 1);
  }
  return { tokens, ids, idLimit };
}

export function invalidTokenizer(path: string, what: string, cause?: unknown): VecpipeError {
  return usageError('model_invalid', `the tokenizer file ${path} ${what}`, REPLACE_HINT, cause);
}

function readAddedTokens(value: unknown, path: string): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidTokenizer(path, 'has "added_tokens" that are not a list');
  return value.map((token: unknown) => {
    if (
      !isRecord(token) ||
      !isTokenId(token['id']) ||
      typeof token['content'] !== 'string' ||
      token['content'] === ''
    ) {
      throw invalidTokenizer(path, 'has an entry of "added_tokens" without "id" and "content"');
    }
    const { id, content, normalized, single_word: singleWord, lstrip, rstrip } = token;
    const isLiteral = ![normalized, singleWord, lstrip, rstrip].includes(true);
    return { id, content, isLiteral };
  });
}

/** Files of before the field existed are told apart by what else the model has. */
function modelTypeOf(model: Record<string, unknown>): string {
  if (typeof model['type'] === 'string') return model['type'];
  if (Array.isArray(model['vocab'])) return 'Unigram';
  if ('merges' in model) return 'BPE';
  return 'continuing_subword_prefix' in model ? 'WordPiece' : 'WordLevel';
}

function isTokenId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_TOKENS;
}

function optionalRecord(value: unknown): Record<string, unknown> | null {
  return isRecord(value) ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
