import type { RefusedText } from '../../ports/embedding-provider.ts';
import { decodeBase64, decodeNumbers, toUnitLength } from './decode-vector.ts';

export interface Embeddings {
  /** In the order of the texts. */
  vectors: (Float32Array | RefusedText)[];
  /** What the endpoint says it used; null where it does not. */
  tokens: number | null;
}

/** Why an answer cannot be what was asked for. */
export interface ContractBreak {
  /** Completes "the gateway answered …". */
  what: string;
  /** Vectors of another width than expected. */
  isWidth: boolean;
  /** Another encoding may mend it: the vectors came as base64. */
  isBase64: boolean;
}

/**
 * Reads the vectors of an answer and trusts nothing in it: there must be one for each text, told apart by `index`, in
 * any order, each of the expected width. A list of numbers is taken where base64 was asked for, and the other way
 * round.
 *
 * @param width null takes what comes, as long as all have the same
 */
export function readEmbeddings(
  parsed: unknown,
  texts: number,
  width: number | null,
): Embeddings | ContractBreak {
  if (!isRecord(parsed)) return broken('JSON that is not an object');
  const { data } = parsed;
  if (!Array.isArray(data)) return broken('an object without a list "data"');
  if (data.length !== texts) return broken(`${data.length} vectors for ${texts} texts`);
  const vectors = Array.from({ length: texts }, (): Float32Array | RefusedText | undefined => undefined);
  let expected = width;
  for (const item of data as unknown[]) {
    if (!isRecord(item)) return broken('an entry of "data" that is not an object');
    const { index, embedding } = item;
    if (!Number.isInteger(index) || (index as number) < 0 || (index as number) >= texts) {
      return broken(`an "index" that is not one of the ${texts} texts`);
    }
    if (vectors[index as number] !== undefined) return broken(`the "index" ${index as number} twice`);
    const isBase64 = typeof embedding === 'string';
    const vector = decode(embedding);
    if (vector === null) return { ...broken('a vector that cannot be read'), isBase64 };
    expected ??= vector.length;
    if (vector.length !== expected) {
      const what = `a vector of width ${vector.length} instead of ${expected}`;
      return { what, isWidth: true, isBase64 };
    }
    vectors[index as number] = toUnitLength(vector);
  }
  return { vectors: vectors.filter((vector) => vector !== undefined), tokens: usedTokens(parsed['usage']) };
}

function decode(embedding: unknown): Float32Array | null {
  if (typeof embedding === 'string') return decodeBase64(embedding);
  return Array.isArray(embedding) ? decodeNumbers(embedding) : null;
}

/** None at all for texts that are not empty is as good as not said. */
function usedTokens(usage: unknown): number | null {
  if (!isRecord(usage)) return null;
  const tokens = [usage['total_tokens'], usage['prompt_tokens']].find(
    (value) => Number.isFinite(value) && (value as number) > 0,
  );
  return tokens === undefined ? null : Math.round(tokens as number);
}

function broken(what: string): ContractBreak {
  return { what, isWidth: false, isBase64: false };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
