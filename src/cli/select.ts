import { nearest } from '../util/did-you-mean.ts';
import type { Config } from '../config/config.ts';
import type { RouteConfig } from '../config/provider-config.ts';
import { isTenantId } from '../config/names.ts';
import type { Entity } from '../entities/entity.ts';
import { usageError } from '../errors/vecpipe-error.ts';
import type { GlobalOptions } from './options.ts';

/**
 * The tenants that the flags ask for, in the order given.
 * @throws {VecpipeError} `usage` when one is not in the config, or none is given where there are several
 */
export function selectTenants(config: Config, options: GlobalOptions): string[] {
  const configured = [...config.tenants.keys()];
  if (options.allTenants) return configured;
  const wanted = [...new Set(options.tenant ?? [])];
  if (wanted.length === 0) {
    if (configured.length === 1) return configured;
    throw usageError(
      'tenant_required',
      `the config has ${configured.length} tenants and neither --tenant nor --all-tenants says which is meant`,
      `add --tenant <id> (${configured.slice(0, 10).join(', ')}) or --all-tenants`,
    );
  }
  for (const tenant of wanted) {
    if (config.tenantsDeclared ? config.tenants.has(tenant) : isTenantId(tenant)) continue;
    throw config.tenantsDeclared
      ? unknown('tenant', tenant, configured)
      : usageError(
          'tenant_invalid',
          `--tenant ${tenant} is not a tenant id`,
          'use letters, digits, "_" and "-", 64 at most',
        );
  }
  return wanted;
}

/**
 * Without a tenant column an entity's rows belong to the one tenant of the config, whatever `--tenant` says.
 * @throws {VecpipeError} `usage` when the flags would give them to another
 */
export function refuseForeignTenants(
  config: Config,
  tenants: readonly string[],
  entities: readonly Entity[],
): void {
  const foreign = tenants.find((tenant) => !config.tenants.has(tenant));
  const shared = entities.find((entity) => entity.tenantColumn === null);
  if (foreign === undefined || shared === undefined) return;
  const owner = [...config.tenants.keys()].join(', ');
  throw usageError(
    'tenant_foreign',
    `--tenant ${foreign} cannot have the rows of ${shared.name}: without a tenant column they belong to tenant ${owner}`,
    `leave --tenant out, name the tenant under \`tenants:\`, or give entities.${shared.name} a \`tenant:\` column`,
  );
}

/** How a tenant's entity is embedded; a tenant that the config does not list is served like the default one. */
export function routeOf(config: Config, tenant: string, entity: string): RouteConfig {
  const [first] = config.tenants.values();
  const settings = config.tenants.get(tenant) ?? first;
  if (settings === undefined) throw new Error('a config without tenants');
  const { provider, fallback } = settings.entities.get(entity) ?? settings;
  return { provider, fallback };
}

/** The entities that the flags ask for; without any, all of the config. @throws {VecpipeError} `usage` */
export function selectEntities(config: Config, options: GlobalOptions): Entity[] {
  const wanted = options.entity ?? [...config.entities.keys()];
  return [...new Set(wanted)].map((name) => {
    const entity = config.entities.get(name);
    if (!entity) throw unknown('entity', name, [...config.entities.keys()]);
    return entity;
  });
}

function unknown(flag: 'tenant' | 'entity', value: string, known: readonly string[]) {
  const suggestion = nearest(value, known);
  const hint =
    suggestion === null ? `the config has ${known.slice(0, 20).join(', ')}` : `did you mean ${suggestion}?`;
  return usageError(`${flag}_unknown`, `--${flag} ${value} is not in the config`, hint);
}
