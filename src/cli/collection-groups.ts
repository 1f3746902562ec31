import { collectionName } from '../entities/entity.ts';
import type { Entity } from '../entities/entity.ts';
import type { Session } from './session.ts';

/** A collection, and whose rows are in it. */
export interface CollectionGroup {
  collection: string;
  entity: Entity;
  /** Those that were selected. */
  tenants: string[];
  /** Tenants of the config that share it, and were not selected. */
  missing: string[];
}

/** The selected tenants' collections, each once, in the order of the entities and tenants. */
export function groupByCollection({
  config,
  entities,
  tenants,
}: Pick<Session, 'config' | 'entities' | 'tenants'>): CollectionGroup[] {
  const groups = new Map<string, CollectionGroup>();
  for (const entity of entities) {
    for (const tenant of tenants) {
      const collection = collectionName(entity, tenant);
      const group = groups.get(collection) ?? { collection, entity, tenants: [], missing: [] };
      groups.set(collection, group);
      group.tenants.push(tenant);
    }
  }
  for (const group of groups.values()) {
    group.missing = [...config.tenants.keys()].filter(
      (tenant) =>
        collectionName(group.entity, tenant) === group.collection && !group.tenants.includes(tenant),
    );
  }
  return [...groups.values()];
}
