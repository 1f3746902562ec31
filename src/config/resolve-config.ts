import type { Entity } from '../entities/entity.ts';
import { READY_MADE_ENTITIES } from '../entities/ready-made.ts';
import { didYouMean } from '../util/did-you-mean.ts';
import { checkCollections } from './check-collections.ts';
import type { Config, TenantConfig } from './config.ts';
import type { ConfigParts } from './config-parts.ts';
import type { Problem } from './problem.ts';
import { databaseOf, homeOf, storeOf } from './resolve-connections.ts';
import { resolveEntity } from './resolve-entity.ts';
import { providersOf } from './resolve-providers.ts';
import { tenantsOf } from './resolve-tenants.ts';
import { namesIn, writtenIn } from './section-names.ts';

const DEFAULT_LEASE_SECONDS = 60;

/**
 * Makes the complete config of what file, environment and defaults say, and checks what the parts mean to each
 * other. The config is only to be used when no problem was found.
 */
export function resolveConfig(parts: ConfigParts): { config: Config; problems: Problem[] } {
  const { raw, file } = parts;
  const problems: Problem[] = [];
  const home = homeOf(parts);
  const providers = providersOf(parts, home.folder, problems);
  const tenants = tenantsOf(parts, providers, problems);
  const config: Config = {
    file,
    home: home.folder,
    database: databaseOf(parts, home, problems),
    store: storeOf(parts, problems),
    providers,
    tenants,
    tenantsDeclared: Object.keys(raw.tenants ?? {}).length > 0,
    entities: entitiesOf(parts, tenants, problems),
    leaseMs: Math.round((raw.lease?.seconds ?? DEFAULT_LEASE_SECONDS) * 1000),
  };
  problems.push(...unknownOverrides(config));
  return { config, problems };
}

function entitiesOf(
  { raw, keysOf }: ConfigParts,
  tenants: ReadonlyMap<string, TenantConfig>,
  problems: Problem[],
): Map<string, Entity> {
  const names = namesIn(raw.entities, keysOf(['entities']));
  if (names.length === 0) return new Map(READY_MADE_ENTITIES.map((entity) => [entity.name, entity]));
  const tenantCount = Math.max(tenants.size, keysOf(['tenants']).length);
  const entities = new Map<string, Entity>();
  for (const name of names) {
    const path = ['entities', name];
    const readyMade = READY_MADE_ENTITIES.find((entity) => entity.name === name);
    const rawEntity = raw.entities?.[name] ?? {};
    const written = writtenIn(rawEntity, keysOf(path));
    const entity = resolveEntity({ name, path, raw: rawEntity, written, readyMade }, problems);
    if (!entity) continue;
    entities.set(name, entity);
    if (entity.tenantColumn === null && tenantCount > 1) {
      const message = `missing; with ${tenantCount} tenants, name the column that tells their rows apart`;
      problems.push({ path: [...path, 'tenant'], message });
    }
  }
  problems.push(...checkCollections(entities.values(), [...tenants.keys()]));
  return entities;
}

/** A route for an entity that the config does not have would be a typing mistake without effect. */
function unknownOverrides({ tenants, entities }: Config): Problem[] {
  const known = [...entities.keys()];
  return [...tenants].flatMap(([id, tenant]) =>
    [...tenant.entities.keys()]
      .filter((name) => !entities.has(name))
      .map((name) => ({
        path: ['tenants', id, 'entities', name],
        message: `is not an entity of this config${didYouMean(name, known)}`,
      })),
  );
}
