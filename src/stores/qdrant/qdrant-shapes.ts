import type { Schemas } from '@qdrant/js-client-rest';
import { z } from 'zod';

/** The parts of Qdrant's answers that the store relies on; whatever else they hold is ignored. */

/** `GET /`, the one answer without an envelope. */
export const versionShape = z.object({ title: z.string(), version: z.string() }) satisfies z.ZodType<
  Pick<Schemas['VersionInfo'], 'title' | 'version'>
>;

export const aliasesShape = z.object({
  aliases: z.array(z.object({ alias_name: z.string(), collection_name: z.string() })),
});

export const collectionsShape = z.object({ collections: z.array(z.object({ name: z.string() })) });

const settingsShape = z.record(z.string(), z.unknown());

const configShape = z.object({
  params: z.looseObject({ vectors: z.unknown() }),
  hnsw_config: settingsShape.nullish(),
  optimizer_config: settingsShape.nullish(),
  quantization_config: settingsShape.nullish(),
});

export type CollectionConfig = z.infer<typeof configShape>;

export const collectionShape = z.object({
  status: z.string(),
  optimizer_status: z.union([z.string(), z.object({ error: z.string() })]).nullish(),
  config: configShape,
  payload_schema: z.record(z.string(), z.object({ data_type: z.string() })),
});

/** The unnamed vector of a collection; a collection with named vectors has a map of these in its place. */
export const vectorParamsShape = z.object({ size: z.int().positive(), distance: z.string() });

export const updateShape = z.object({ status: z.string() });

export const updatesShape = z.array(updateShape);

export const countShape = z.object({ count: z.int().nonnegative() });

const objectShape = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
);

/** Numbers are checked where the vector is copied, because an array of them is long. */
const recordShape = z.object({
  id: z.union([z.string(), z.number()]),
  payload: objectShape.nullish(),
  vector: z.custom<unknown[]>(Array.isArray).nullish(),
});

export const recordsShape = z.array(recordShape);

export const scrollShape = z.object({ points: recordsShape });

export const scoredShape = z.object({ points: z.array(recordShape.extend({ score: z.number() })) });

export type QdrantRecord = z.infer<typeof recordShape>;
