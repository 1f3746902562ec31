import type { LocalProviderConfig } from '../../config/provider-config.ts';
import type { TextPurpose } from '../../ports/embedding-provider.ts';
import { isJsonObject } from './json-file.ts';
import type { JsonObject } from './json-file.ts';
import type { KnownFamily } from './known-families.ts';

/** What is put before a text; empty for nothing. */
export type Prefixes = Record<TextPurpose, string>;

/**
 * The prompts that sentence-transformers' `encode_query` and `encode_document` would take
 * (https://sbert.net/docs/package_reference/sentence_transformer/SentenceTransformer.html).
 */
const PROMPT_NAMES: Record<TextPurpose, string[]> = {
  query: ['query', 'retrieval.query'],
  passage: ['document', 'passage', 'corpus', 'retrieval.passage'],
};

/** By the provider's config, else by the model's own prompts where it has one that is not empty, else by its family. */
export function readPrompts(
  config: Pick<LocalProviderConfig, 'queryPrefix' | 'passagePrefix'>,
  file: JsonObject | null,
  family: KnownFamily | null,
): Prefixes {
  const own = promptsOf(file);
  return {
    query: config.queryPrefix ?? own?.query ?? family?.queryPrefix ?? '',
    passage: config.passagePrefix ?? own?.passage ?? family?.passagePrefix ?? '',
  };
}

function promptsOf(file: JsonObject | null): Prefixes | null {
  const prompts = file?.['prompts'];
  if (!isJsonObject(prompts)) return null;
  const named = (name: unknown) => {
    const prompt = typeof name === 'string' ? prompts[name] : undefined;
    return typeof prompt === 'string' ? prompt : undefined;
  };
  const find = (purpose: TextPurpose) =>
    named(PROMPT_NAMES[purpose].find((name) => named(name) !== undefined)) ??
    named(file?.['default_prompt_name']) ??
    '';
  const found = { query: find('query'), passage: find('passage') };
  // The library writes empty ones for a model that was never given any.
  return found.query === '' && found.passage === '' ? null : found;
}
