import type { ProviderConfig } from '../config/provider-config.ts';
import { unavailableError, VecpipeError } from '../errors/vecpipe-error.ts';
import { fingerprintOf, vectorSpace } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { ProviderRoute } from '../providers/router/provider-route.ts';
import { readGenerations } from '../reindex/generation-records.ts';
import type { Session } from './session.ts';

/**
 * What the live generation was built with, where the config wants something else and a generation of that is already
 * being built: until it is live, changes go to the live one as it is.
 * @returns null in every other case
 */
export async function findServed(
  database: Database,
  store: VectorStore,
  collection: string,
  wanted: FingerprintSettings,
  options: CallOptions = {},
): Promise<FingerprintSettings | null> {
  const records = await readGenerations(database, store.location, collection, options);
  const live = records.find(({ status }) => status === 'live');
  const building = records.find(({ status }) => status === 'building');
  const print = fingerprintOf(wanted);
  if (!live || live.fingerprint === print || building?.fingerprint !== print) return null;
  return live.settings;
}

/**
 * A provider of the config that gives the vectors that a collection was built with: the tenant's own, where the
 * template or the chunks alone are others, or one that is still listed.
 */
export async function findRoute(
  session: Session,
  tenant: string,
  entity: string,
  settings: FingerprintSettings,
): Promise<ProviderRoute | null> {
  const own = await session.route(tenant, entity);
  if (gives(own, settings)) return own;
  for (const [name, config] of session.config.providers) {
    if (!mayGive(config, settings)) continue;
    const route = await session.provider(name).catch((error: unknown) => {
      if (error instanceof VecpipeError) return null;
      throw error;
    });
    if (route && gives(route, settings)) return route;
  }
  return null;
}

/** Tells by the config alone, so that no other model is loaded in vain. */
function mayGive(config: ProviderConfig, { provider, model }: FingerprintSettings): boolean {
  return config.kind === provider && (config.kind === 'static' || config.modelId === model);
}

function gives(
  { kind, modelId, dimensions, variant }: ProviderRoute,
  settings: FingerprintSettings,
): boolean {
  const own = { ...settings, provider: kind, model: modelId, dimensions };
  delete own.variant;
  return vectorSpace({ ...own, ...(variant !== null && { variant }) }) === vectorSpace(settings);
}

export function providerGone(collection: string, { provider, model }: FingerprintSettings): VecpipeError {
  return unavailableError(
    'provider_replaced',
    `collection ${collection} is being rebuilt, and no provider of the config has the ${provider} model ${model} that the live one was built with: deletes are done, changes wait in the queue`,
    'they are done when `vecpipe reindex` has ended; to do them before, list the old provider under `providers:` as well',
  );
}

/** The command that rebuilds a tenant's entity. */
export function reindexCommand(tenant: string, entity: string): string {
  return `vecpipe reindex --tenant ${tenant} --entity ${entity}`;
}
