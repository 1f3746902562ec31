import { resolve } from 'node:path';
import type { Entity } from '../entities/entity.ts';
import { READY_MADE_ENTITIES } from '../entities/ready-made.ts';
import { checkCollections } from './check-collections.ts';
import type { Config, ProviderConfig, TenantConfig } from './config.ts';
import type { ConfigParts } from './config-parts.ts';
import { didYouMean } from '../util/did-you-mean.ts';
import { shownText } from './shown-text.ts';
import { DEFAULT_PROVIDER, DEFAULT_TENANT, NAME_PATTERN } from './names.ts';
import type { Problem } from './problem.ts';
import { databaseOf, homeOf, storeOf } from './resolve-connections.ts';
import { resolveEntity } from './resolve-entity.ts';

const DEFAULT_LEASE_SECONDS = 60;

/**
 * Makes the complete config of what file, environment and defaults say, and checks what the parts mean to each
 * other. The config is only to be used when no problem was found.
 */
export function resolveConfig(parts: ConfigParts): { config: Config; problems: Problem[] } {
  const { raw, file } = parts;
  const problems: Problem[] = [];
  const home = homeOf(parts);
  const tenants = tenantsOf(parts, problems);
  const config: Config = {
    file,
    home: home.folder,
    database: databaseOf(parts, home, problems),
    store: storeOf(parts, problems),
    providers: providersOf(parts),
    tenants,
    tenantsDeclared: Object.keys(raw.tenants ?? {}).length > 0,
    entities: entitiesOf(parts, tenants, problems),
    leaseMs: Math.round((raw.lease?.seconds ?? DEFAULT_LEASE_SECONDS) * 1000),
  };
  return { config, problems };
}

function providersOf({ raw, folder, keysOf }: ConfigParts): Map<string, ProviderConfig> {
  const providers = new Map<string, ProviderConfig>([[DEFAULT_PROVIDER, { kind: 'static', model: null }]]);
  for (const name of namesIn(raw.providers, keysOf(['providers']))) {
    const model = raw.providers?.[name]?.model;
    providers.set(name, { kind: 'static', model: model === undefined ? null : resolve(folder, model) });
  }
  return providers;
}

function tenantsOf({ raw, keysOf }: ConfigParts, problems: Problem[]): Map<string, TenantConfig> {
  const providerNames = [...new Set([DEFAULT_PROVIDER, ...writtenIn(raw.providers, keysOf(['providers']))])];
  const tenants = new Map<string, TenantConfig>();
  for (const id of namesIn(raw.tenants, keysOf(['tenants']))) {
    const provider = raw.tenants?.[id]?.provider ?? DEFAULT_PROVIDER;
    if (!providerNames.includes(provider)) {
      const valid = providerNames.filter((name) => NAME_PATTERN.test(name));
      const expected = valid.length === 1 ? valid.join('') : `one of ${valid.join(', ')}`;
      const message = `expected ${expected}, got ${shownText(provider)}${didYouMean(provider, valid)}`;
      problems.push({ path: ['tenants', id, 'provider'], message });
    }
    tenants.set(id, { provider });
  }
  if (tenants.size === 0) tenants.set(DEFAULT_TENANT, { provider: DEFAULT_PROVIDER });
  return tenants;
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

/** Names of the well-formed members of a section, in the order of the file; merged ones come last. */
function namesIn(section: object | null | undefined, written: readonly string[]): string[] {
  return writtenIn(section, written).filter((name) => section && Object.hasOwn(section, name));
}

/** Names of all members of a section, those with problems included, in the order of the file. */
function writtenIn(section: object | null | undefined, written: readonly string[]): string[] {
  return [...new Set([...written, ...Object.keys(section ?? {})])];
}
