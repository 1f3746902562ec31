import { unavailableError } from '../errors/vecpipe-error.ts';
import type { EmbeddingProvider, EmbedResult, RefusedText } from '../ports/embedding-provider.ts';

/**
 * Trusts no provider: the count and the width of an answer must be right, and every number finite.
 * @returns the vectors, with one that is not finite or has no direction turned into a refusal of its text alone
 * @throws {VecpipeError} `unavailable`, code `provider_contract`, when the answer as a whole cannot be right
 */
export function checkVectors(
  provider: EmbeddingProvider,
  texts: number,
  result: EmbedResult,
): (Float32Array | RefusedText)[] {
  const { vectors } = result;
  if (vectors.length !== texts) {
    throw contractError(provider, `answered ${vectors.length} vectors for ${texts} texts`);
  }
  // Not `map`, which would pass over a hole in the list.
  return Array.from(vectors, (vector: Float32Array | RefusedText | undefined) => {
    if (!(vector instanceof Float32Array)) {
      if (typeof vector?.code === 'string' && typeof vector.reason === 'string') return vector;
      throw contractError(
        provider,
        'answered something that is neither a vector nor a reason why there is none',
      );
    }
    if (vector.length !== provider.dimensions) {
      throw contractError(
        provider,
        `answered a vector of width ${vector.length} instead of ${provider.dimensions}`,
      );
    }
    return refusalOf(vector) ?? vector;
  });
}

function refusalOf(vector: Float32Array): RefusedText | null {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (!Number.isFinite(squares)) {
    return {
      code: 'vector_not_finite',
      reason: 'the provider answered a vector with a number that is not finite',
    };
  }
  // Cosine has no meaning for it, and some stores take it without a word.
  if (squares === 0) return { code: 'vector_zero', reason: 'the provider answered a vector of zeros' };
  return null;
}

function contractError(provider: EmbeddingProvider, what: string) {
  return unavailableError(
    'provider_contract',
    `provider ${provider.modelId} (${provider.kind}) ${what}`,
    'nothing of that answer was stored; check that the provider serves the configured model',
  );
}
