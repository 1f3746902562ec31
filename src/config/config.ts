import type { Entity } from '../entities/entity.ts';
import type { ProviderConfig, RouteConfig } from './provider-config.ts';

/** How a tenant's rows are embedded. */
export interface TenantConfig extends RouteConfig {
  /** Routes of single entities that differ from the tenant's own. */
  entities: ReadonlyMap<string, RouteConfig>;
}

/** Where a setting was taken from, for `init`, `status` and error messages. */
export type Origin = 'flag' | 'environment' | 'file' | 'default';

/** The origin of an embedded database is that of its folder. */
export type DatabaseConfig =
  { kind: 'postgres'; url: string; origin: Origin } | { kind: 'pglite'; folder: string; origin: Origin };

export type StoreConfig =
  | { kind: 'qdrant'; url: string; apiKey: string | null; origin: Origin }
  | { kind: 'pgvector'; origin: Origin };

/** Everything a run needs to know: complete, checked, absolute paths. The only form of config inside vecpipe. */
export interface Config {
  /** The file it came from, or null when there is none and the defaults hold. */
  file: string | null;
  /** Absolute; relative to the config file's folder, else to the working directory. */
  home: string;
  database: DatabaseConfig;
  store: StoreConfig;
  providers: ReadonlyMap<string, ProviderConfig>;
  /** In the order of the file. Never empty: without `tenants` there is one, `1`. */
  tenants: ReadonlyMap<string, TenantConfig>;
  /** False when the file names no tenants; then any `--tenant` is accepted and served like the default one. */
  tenantsDeclared: boolean;
  /** In the order of the file; without `entities`, the ready-made ones. */
  entities: ReadonlyMap<string, Entity>;
  /** How long a worker holds a batch without renewing its lease. */
  leaseMs: number;
}
