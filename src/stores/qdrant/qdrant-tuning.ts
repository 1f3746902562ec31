import type { Schemas } from '@qdrant/js-client-rest';
import type { CollectionConfig } from './qdrant-shapes.ts';

/**
 * What makes a collection fast, small or safe, as settings for a new one: index, optimisers, quantisation, where
 * vectors and payloads lie, shards and replicas. What is null is left to the server. A collection in the middle of a
 * load gives the settings of the load.
 * @param config of a collection with one unnamed vector
 */
export function tuningOf(config: CollectionConfig): {
  collection: Partial<Schemas['CreateCollection']>;
  vectors: Partial<Schemas['VectorParams']>;
} {
  const { params, hnsw_config, optimizer_config, quantization_config } = config;
  const { on_disk_payload, shard_number, replication_factor, write_consistency_factor } = params;
  const collection = {
    hnsw_config,
    optimizers_config: optimizer_config,
    quantization_config,
    on_disk_payload,
    shard_number,
    replication_factor,
    write_consistency_factor,
  };
  const {
    on_disk,
    hnsw_config: ownIndex,
    quantization_config: ownQuantization,
    datatype,
  } = {
    ...(params.vectors as Record<string, unknown>),
  };
  const vectors = { on_disk, hnsw_config: ownIndex, quantization_config: ownQuantization, datatype };
  return { collection: withoutNulls(collection), vectors: withoutNulls(vectors) };
}

/** Null and absent mean the same to Qdrant, but not everywhere where a setting is read. */
function withoutNulls(settings: Record<string, unknown>): Record<string, unknown> {
  const given = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [name, isObject(value) ? withoutNulls(value) : value]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && !Array.isArray(value);
}
