import { collectionName } from '../entities/entity.ts';
import type { Entity } from '../entities/entity.ts';
import { didYouMean } from '../util/did-you-mean.ts';
import type { Problem } from './problem.ts';

const MAX_LENGTH = 200;
/** What Qdrant and a file system take without encoding; `.` and `..` are no names. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
/** The physical collections behind `docs` are called `docs__1`, `docs__2` and so on. */
const GENERATION = /__\d+$/;
const PLACEHOLDERS = ['tenant', 'entity'];

/**
 * Checks the names that the entities' collections get for each tenant. Two entities in one collection would
 * delete each other's points as orphans.
 */
export function checkCollections(entities: Iterable<Entity>, tenants: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  const owners = new Map<string, Entity>();
  for (const entity of entities) {
    const message = problemOf(entity, tenants, owners);
    if (message !== null) problems.push({ path: ['entities', entity.name, 'collection'], message });
  }
  return problems;
}

function problemOf(entity: Entity, tenants: readonly string[], owners: Map<string, Entity>): string | null {
  for (const [, name = ''] of entity.collection.matchAll(/\{([^{}]*)\}/g)) {
    if (!PLACEHOLDERS.includes(name)) {
      return `{${name}} is not filled in; {tenant} and {entity} are${didYouMean(name, PLACEHOLDERS)}`;
    }
  }
  for (const tenant of tenants) {
    const name = collectionName(entity, tenant);
    if (!NAME.test(name))
      return 'may hold letters, digits, "_", "-", "." and the words {tenant} and {entity}';
    if (name.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters for the tenant ${tenant}`;
    if (GENERATION.test(name))
      return 'must not end in __ and a number, as the generations behind a collection do';
    const owner = owners.get(name);
    if (owner && owner !== entity) {
      return `gives ${name}, which is also a collection of ${owner.name}; put {entity} into it`;
    }
    owners.set(name, entity);
  }
  return null;
}
