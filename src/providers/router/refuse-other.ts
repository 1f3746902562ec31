import { usageError } from '../../errors/vecpipe-error.ts';
import type { EmbeddingProvider } from '../../ports/embedding-provider.ts';

type Served = Pick<EmbeddingProvider, 'modelId' | 'dimensions'>;

/**
 * Whatever the config says of a provider and its fallback: vectors of two kinds must never meet in a collection.
 * @throws {VecpipeError} usage `fallback_mismatch` when model or width differ
 */
export function refuseOther(
  primary: Served,
  primaryName: string,
  fallback: Served,
  fallbackName: string,
): void {
  if (fallback.modelId === primary.modelId && fallback.dimensions === primary.dimensions) return;
  throw usageError(
    'fallback_mismatch',
    `the fallback ${fallbackName} serves ${fallback.modelId} of width ${fallback.dimensions}, but ${primaryName} serves ${primary.modelId} of width ${primary.dimensions}`,
    'name a fallback that serves the same model and width, or none',
  );
}
