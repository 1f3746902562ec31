import { isJsonObject } from './json-file.ts';
import type { JsonObject } from './json-file.ts';

/** Ids that a model wants around every text, such as those of `[CLS]` and `[SEP]`. */
export interface SpecialTokens {
  before: number[];
  after: number[];
}

/**
 * Reads them from the `post_processor` of a `tokenizer.json`: the template of a single text, or BERT's and RoBERTa's
 * fixed pair (https://huggingface.co/docs/tokenizers/api/post-processors). Null when it is of a kind that is not known.
 */
export function readSpecialTokens(tokenizer: JsonObject): SpecialTokens | null {
  const processor = tokenizer['post_processor'];
  return isJsonObject(processor) ? fromProcessor(processor) : { before: [], after: [] };
}

function fromProcessor(processor: JsonObject): SpecialTokens | null {
  switch (processor['type']) {
    case 'TemplateProcessing':
      return fromTemplate(processor['single'], processor['special_tokens']);
    case 'BertProcessing':
    case 'RobertaProcessing':
      return fromPair(processor['cls'], processor['sep']);
    case 'ByteLevel':
      return { before: [], after: [] };
    case 'Sequence':
      return fromSequence(processor['processors']);
    default:
      return null;
  }
}

function fromSequence(processors: unknown): SpecialTokens | null {
  const all: SpecialTokens = { before: [], after: [] };
  for (const each of Array.isArray(processors) ? (processors as unknown[]) : []) {
    const tokens = isJsonObject(each) ? fromProcessor(each) : null;
    if (tokens === null) return null;
    all.before.unshift(...tokens.before);
    all.after.push(...tokens.after);
  }
  return all;
}

/** Pairs of a token and its id. */
function fromPair(first: unknown, last: unknown): SpecialTokens | null {
  const before = Array.isArray(first) ? (first as unknown[])[1] : null;
  const after = Array.isArray(last) ? (last as unknown[])[1] : null;
  return isId(before) && isId(after) ? { before: [before], after: [after] } : null;
}

function fromTemplate(single: unknown, specialTokens: unknown): SpecialTokens | null {
  if (!Array.isArray(single) || !isJsonObject(specialTokens)) return null;
  const tokens: SpecialTokens = { before: [], after: [] };
  let target = tokens.before;
  for (const part of single as unknown[]) {
    if (!isJsonObject(part)) return null;
    if ('Sequence' in part) {
      target = tokens.after;
      continue;
    }
    const { SpecialToken: named } = part;
    const name = isJsonObject(named) ? named['id'] : undefined;
    const described = typeof name === 'string' ? specialTokens[name] : undefined;
    const ids = isJsonObject(described) ? described['ids'] : undefined;
    if (!Array.isArray(ids) || !ids.every(isId)) return null;
    target.push(...ids);
  }
  return tokens;
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
