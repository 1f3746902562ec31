import type { Config, DatabaseConfig, Origin, StoreConfig } from './config.ts';
import type { ProviderConfig, RouteConfig } from './provider-config.ts';
import { shownPostgresUrl, shownHttpUrl } from './connection-url.ts';
import { shownFile } from './shown-file.ts';

/** More tenants than this are counted, not named. */
const MAX_NAMED_TENANTS = 5;

/**
 * Says for `init` and `status` which database, store and providers were chosen and why, a line each. Holds no
 * password, API key or query string.
 * @param workingDirectory paths are shown relative to it
 */
export function describeChoices(config: Config, workingDirectory: string): string[] {
  const shown = (path: string) => shownFile(path, workingDirectory);
  return [
    `config: ${config.file === null ? 'no file, the defaults hold' : shown(config.file)}`,
    `database: ${describeDatabase(config.database, shown)}`,
    `store: ${describeStore(config.store)}`,
    ...describeProviders(config, shown),
  ];
}

type Shown = (path: string) => string;

function describeDatabase(database: DatabaseConfig, shown: Shown): string {
  if (database.kind === 'postgres') {
    return `Postgres at ${shownPostgresUrl(database.url)}, ${because(database.origin, 'DATABASE_URL', 'database.url')}`;
  }
  const place = `embedded Postgres in ${shown(database.folder)}`;
  return database.origin === 'environment'
    ? `${place} (VECPIPE_HOME), because DATABASE_URL is not set`
    : `${place}, because DATABASE_URL is not set`;
}

function describeStore(store: StoreConfig): string {
  if (store.kind === 'pgvector') {
    const reason =
      store.origin === 'file' ? 'because the config file says so' : 'because QDRANT_URL is not set';
    return `pgvector in the same database, ${reason}`;
  }
  const key = store.apiKey === null ? 'without an API key' : 'with an API key';
  return `Qdrant at ${shownHttpUrl(store.url)} ${key}, ${because(store.origin, 'QDRANT_URL', 'store.url')}`;
}

function because(origin: Origin, variable: string, key: string): string {
  return origin === 'environment' ? `because ${variable} is set` : `because the config file gives ${key}`;
}

function describeProviders(config: Config, shown: Shown): string[] {
  if (!config.tenantsDeclared) {
    const [tenant] = config.tenants.values();
    const provider = tenant && config.providers.get(tenant.provider);
    return provider
      ? [`provider: ${describeProvider(provider, shown)}, because no tenant is configured`]
      : [];
  }
  return [...config.providers].flatMap(([name, provider]) => {
    const uses = usesOf(config, name);
    return uses.length === 0
      ? []
      : [`provider: ${name} (${describeProvider(provider, shown)}) ${uses.join(' and ')}`];
  });
}

/** What a provider is for, such as `for tenant 1` and `as fallback for 3 tenants`. */
function usesOf(config: Config, name: string): string[] {
  const tenantsWith = (isUse: (route: RouteConfig) => boolean) =>
    [...config.tenants]
      .filter(([, tenant]) => [tenant, ...tenant.entities.values()].some((route) => isUse(route)))
      .map(([id]) => id);
  const served = tenantsWith((route) => route.provider === name);
  const backed = tenantsWith((route) => route.fallback === name);
  return [
    ...(served.length === 0 ? [] : [`for ${describeTenants(served)}`]),
    ...(backed.length === 0 ? [] : [`as fallback for ${describeTenants(backed)}`]),
  ];
}

function describeProvider(provider: ProviderConfig, shown: Shown): string {
  switch (provider.kind) {
    case 'static':
      return provider.model === null
        ? 'the static model that ships with vecpipe'
        : `the static model in ${shown(provider.model)}`;
    case 'gateway':
      return `${provider.model} at ${shownHttpUrl(provider.baseURL)}`;
    case 'local':
      return provider.modelFrom === 'folder'
        ? `the local model in ${shown(provider.model)}`
        : `the local model ${provider.model}`;
    default:
      return provider satisfies never;
  }
}

function describeTenants(tenants: readonly string[]): string {
  if (tenants.length > MAX_NAMED_TENANTS) return `${tenants.length} tenants`;
  return `${tenants.length === 1 ? 'tenant' : 'tenants'} ${tenants.join(', ')}`;
}
