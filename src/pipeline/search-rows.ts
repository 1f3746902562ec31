import { usageError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { PointFilter, ScoredPoint, VectorStore } from '../ports/vector-store.ts';
import { checkVectors } from './check-vectors.ts';
import { refuseOtherModel } from './generation.ts';
import { ownPoints } from './own-points.ts';

export interface SearchTarget {
  tenant: string;
  entity: string;
  /** The alias. */
  collection: string;
  provider: EmbeddingProvider;
}

export interface FoundRow {
  tenant: string;
  entity: string;
  /** Cosine similarity of the row's nearest chunk, -1 to 1. */
  score: number;
  point: ScoredPoint;
}

/** A row of many chunks may take several of the nearest points; so many more are asked for. */
const CHUNKS_PER_ROW = 4;

/**
 * The rows nearest to a text over all targets, best first, each row once.
 * @throws {VecpipeError} `usage` when nothing was stored yet or the text has no word that the model knows
 */
export async function searchRows(
  database: Queryable,
  store: VectorStore,
  targets: readonly SearchTarget[],
  text: string,
  options: CallOptions & { limit: number; filter: PointFilter['must'] },
): Promise<FoundRow[]> {
  const found: FoundRow[] = [];
  let searched = 0;
  const vectors = new Map<EmbeddingProvider, Float32Array>();
  for (const { tenant, entity, collection, provider } of targets) {
    const physical = await store.resolveAlias(collection, options);
    if (physical === null) continue;
    searched += 1;
    const vector = vectors.get(provider) ?? (await embedQuery(provider, text, options));
    vectors.set(provider, vector);
    await refuseOtherModel(database, store.location, collection, provider, options);
    await checkWidth(store, physical, collection, provider, options);
    const points = await store.search(collection, vector, {
      ...options,
      limit: options.limit * CHUNKS_PER_ROW,
      filter: ownPoints(tenant, entity, options.filter),
    });
    const seen = new Set<string>();
    for (const point of points) {
      const { key } = point.payload.vecpipe;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push({ tenant, entity, score: point.score, point });
    }
  }
  if (searched === 0) {
    const names = targets.map((target) => target.collection).join(', ');
    throw usageError(
      'nothing_stored',
      `there is no collection ${names} yet`,
      'run `vecpipe vectorize` first',
    );
  }
  return found.toSorted((a, b) => b.score - a.score).slice(0, options.limit);
}

async function embedQuery(
  provider: EmbeddingProvider,
  text: string,
  options: CallOptions,
): Promise<Float32Array> {
  const [vector] = checkVectors(provider, 1, await provider.embed([text], { ...options, purpose: 'query' }));
  if (vector instanceof Float32Array) return vector;
  throw usageError(
    'query_refused',
    `the search text cannot be embedded: ${vector?.reason ?? 'no answer'}`,
    'use other words',
  );
}

async function checkWidth(
  store: VectorStore,
  physical: string,
  collection: string,
  provider: EmbeddingProvider,
  options: CallOptions,
): Promise<void> {
  const info = await store.describeCollection(physical, options);
  if (info === null || info.dimensions === provider.dimensions) return;
  throw usageError(
    'width_mismatch',
    `collection ${collection} holds vectors of width ${info.dimensions}, but the tenant's provider makes ${provider.dimensions}`,
    'search with the provider that the collection was built with',
  );
}
