import type { JsonObject } from './json-file.ts';

/** Of a model that does not say: what BERT takes. */
const DEFAULT_LIMIT = 512;
/** Tokenizers without a limit say 10^30. */
const LARGEST_LIMIT = 1_000_000;
/** Positions start behind that of padding: https://github.com/facebookresearch/fairseq/issues/1187 */
const OFFSET_POSITIONS = ['roberta', 'xlm-roberta', 'camembert', 'mpnet'];

/**
 * Tokens that a model takes at once, special ones included: the least of what its tokenizer, its positions and
 * sentence-transformers' own file say.
 */
export function readTokenLimit(files: {
  config: JsonObject;
  tokenizerConfig: JsonObject | null;
  sentenceConfig: JsonObject | null;
}): number {
  const { config, tokenizerConfig, sentenceConfig } = files;
  const limits = [
    positionsOf(config),
    tokenizerConfig?.['model_max_length'],
    sentenceConfig?.['max_seq_length'],
  ].filter((limit): limit is number => isLimit(limit));
  return limits.length === 0 ? DEFAULT_LIMIT : Math.min(...limits);
}

function positionsOf(config: JsonObject): unknown {
  const positions = config['max_position_embeddings'];
  if (!isLimit(positions) || !OFFSET_POSITIONS.includes(String(config['model_type']))) return positions;
  const padId = config['pad_token_id'];
  return positions - (isLimit(padId) ? padId : 1) - 1;
}

function isLimit(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < LARGEST_LIMIT;
}
