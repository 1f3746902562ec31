import type { Pooling } from './pooling.ts';

/** What the model cards of a family say and its config files mostly do not. */
export interface KnownFamily {
  queryPrefix: string;
  passagePrefix: string;
  /** Null where the config files say it, or it is mean. */
  pooling: Pooling | null;
}

interface NamedFamily extends KnownFamily {
  /** Of the last part of a model's id. */
  name: RegExp;
}

/**
 * By their model cards:
 * https://huggingface.co/intfloat/multilingual-e5-large-instruct ("Instruct: {task}\nQuery: {query}", documents bare),
 * https://huggingface.co/intfloat/e5-base-v2 and https://huggingface.co/intfloat/multilingual-e5-base ("query: ",
 * "passage: "), https://huggingface.co/BAAI/bge-base-en-v1.5 (an instruction for short queries, passages bare, the
 * vector of [CLS]), https://huggingface.co/BAAI/bge-m3 (no instruction).
 */
const FAMILIES: NamedFamily[] = [
  {
    name: /^multilingual-e5-.*-instruct/i,
    queryPrefix:
      'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ',
    passagePrefix: '',
    pooling: null,
  },
  {
    name: /^(multilingual-)?e5-(small|base|large)/i,
    queryPrefix: 'query: ',
    passagePrefix: 'passage: ',
    pooling: null,
  },
  {
    name: /^bge-(micro|small|base|large)-en/i,
    queryPrefix: 'Represent this sentence for searching relevant passages: ',
    passagePrefix: '',
    pooling: 'cls',
  },
  { name: /^bge-/i, queryPrefix: '', passagePrefix: '', pooling: 'cls' },
];

/** The family that a model belongs to by its id or the name of its folder; null when it is none of those known. */
export function knownFamily(id: string): KnownFamily | null {
  const name = id.slice(id.lastIndexOf('/') + 1);
  return FAMILIES.find((family) => family.name.test(name)) ?? null;
}
