import type { Chunking, Entity } from '../entities/entity.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import { jsonHash } from '../util/hash.ts';

/** Overlap where the config asks for no chunks but a text is longer than the model takes. */
const FORCED_OVERLAP = 32;

/** Everything that decides which vector a row gets. Two rows are comparable only when all of it is equal. */
export interface FingerprintSettings {
  provider: string;
  model: string;
  dimensions: number;
  /** See `EmbeddingProvider.variant`; left out when there is none. */
  variant?: string;
  template: string;
  chunking: Chunking | null;
}

export function fingerprintSettings(entity: Entity, provider: EmbeddingProvider): FingerprintSettings {
  return {
    provider: provider.kind,
    model: provider.modelId,
    dimensions: provider.dimensions,
    ...(provider.variant !== null && { variant: provider.variant }),
    template: entity.text,
    chunking: effectiveChunking(entity, provider),
  };
}

export function fingerprintOf(settings: FingerprintSettings): string {
  return jsonHash(settings);
}

/** Equal where equal texts have equal vectors, whatever their template and chunking. */
export function vectorSpace({ provider, model, dimensions, variant }: FingerprintSettings): string {
  return jsonHash({ provider, model, dimensions, variant: variant ?? null });
}

/** The names of the settings that differ, for a message. */
export function changedSettings(
  before: FingerprintSettings,
  now: FingerprintSettings,
): (keyof FingerprintSettings)[] {
  const names = ['provider', 'model', 'dimensions', 'variant', 'template', 'chunking'] as const;
  return names.filter((name) => jsonHash(before[name] ?? null) !== jsonHash(now[name] ?? null));
}

/** How the settings differ, for a message: the model and the width with both values, the longer ones by name. */
export function describeChanges(before: FingerprintSettings, now: FingerprintSettings): string {
  const parts = changedSettings(before, now).map((name) => {
    if (name === 'dimensions') return `width (${before.dimensions}, now ${now.dimensions})`;
    if (name === 'provider' || name === 'model') return `${name} (${before[name]}, now ${now[name]})`;
    return name;
  });
  return parts.join(', ') || 'setting';
}

/** What the entity asks for, bounded by what the model takes; null when every text is one chunk. */
export function effectiveChunking(entity: Entity, provider: EmbeddingProvider): Chunking | null {
  const limit = provider.maxInputTokens;
  if (entity.chunk === null) {
    return limit === null
      ? null
      : { maxTokens: limit, overlap: Math.min(FORCED_OVERLAP, Math.floor(limit / 4)) };
  }
  const maxTokens = limit === null ? entity.chunk.maxTokens : Math.min(limit, entity.chunk.maxTokens);
  return { maxTokens, overlap: Math.min(entity.chunk.overlap, Math.floor(maxTokens / 2)) };
}
