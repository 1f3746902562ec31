import { didYouMean } from '../util/did-you-mean.ts';
import type { TenantConfig } from './config.ts';
import type { ConfigParts } from './config-parts.ts';
import { DEFAULT_PROVIDER, DEFAULT_TENANT, NAME_PATTERN } from './names.ts';
import type { ConfigPath, Problem } from './problem.ts';
import type { ProviderConfig, RouteConfig } from './provider-config.ts';
import { namesIn, writtenIn } from './section-names.ts';
import { shownText } from './shown-text.ts';

/** The tenants of a config, each with providers that exist; a fallback must serve what its provider serves. */
export function tenantsOf(
  { raw, keysOf }: ConfigParts,
  providers: ReadonlyMap<string, ProviderConfig>,
  problems: Problem[],
): Map<string, TenantConfig> {
  const names = [...new Set([DEFAULT_PROVIDER, ...writtenIn(raw.providers, keysOf(['providers']))])];
  const check = new RouteCheck(names, providers, problems);
  const tenants = new Map<string, TenantConfig>();
  for (const id of namesIn(raw.tenants, keysOf(['tenants']))) {
    const path = ['tenants', id];
    const written = raw.tenants?.[id];
    const route = check.route(written ?? {}, DEFAULT_PROVIDER, path);
    const entities = new Map<string, RouteConfig>();
    for (const entity of namesIn(written?.entities, keysOf([...path, 'entities']))) {
      // Its own provider comes without the tenant's fallback, which serves another model.
      entities.set(
        entity,
        check.route(written?.entities?.[entity] ?? {}, route.provider, [...path, 'entities', entity]),
      );
    }
    tenants.set(id, { ...route, entities });
  }
  if (tenants.size === 0) {
    tenants.set(DEFAULT_TENANT, { provider: DEFAULT_PROVIDER, fallback: null, entities: new Map() });
  }
  return tenants;
}

class RouteCheck {
  readonly #names: readonly string[];
  readonly #providers: ReadonlyMap<string, ProviderConfig>;
  readonly #problems: Problem[];

  constructor(names: readonly string[], providers: ReadonlyMap<string, ProviderConfig>, problems: Problem[]) {
    this.#names = names;
    this.#providers = providers;
    this.#problems = problems;
  }

  route(
    written: { provider?: string | undefined; fallback?: string | undefined },
    defaultProvider: string,
    path: ConfigPath,
  ): RouteConfig {
    const provider = written.provider ?? defaultProvider;
    const fallback = written.fallback ?? null;
    this.#checkName(provider, [...path, 'provider']);
    if (fallback !== null) {
      this.#checkName(fallback, [...path, 'fallback']);
      const message = this.#mismatch(provider, fallback);
      if (message !== null) this.#problems.push({ path: [...path, 'fallback'], message });
    }
    return { provider, fallback };
  }

  #checkName(name: string, path: ConfigPath): void {
    if (this.#names.includes(name)) return;
    const valid = this.#names.filter((each) => NAME_PATTERN.test(each));
    const expected = valid.length === 1 ? valid.join('') : `one of ${valid.join(', ')}`;
    const message = `expected ${expected}, got ${shownText(name)}${didYouMean(name, valid)}`;
    this.#problems.push({ path, message });
  }

  /**
   * Vectors of two models must never meet in one collection, so both sides have to name the same weights and the
   * same width, and say so in the config: once a provider is down it cannot be asked any more.
   */
  #mismatch(providerName: string, fallbackName: string): string | null {
    const provider = this.#providers.get(providerName);
    const fallback = this.#providers.get(fallbackName);
    if (!provider || !fallback) return null;
    if (providerName === fallbackName) return 'must be another provider than the one it stands in for';
    const both = `${providerName} and ${fallbackName}`;
    if (provider.kind === 'static' || fallback.kind === 'static') {
      return `a static provider can neither have a fallback nor be one: no other provider serves its model (${both})`;
    }
    if (provider.modelId !== fallback.modelId) {
      return `serves another model: ${providerName} has the modelId ${shownText(provider.modelId)}, ${fallbackName} has ${shownText(fallback.modelId)}; give both the same modelId if their weights are the same`;
    }
    if (provider.dimensions === null || fallback.dimensions === null) {
      return `needs dimensions in both providers, ${both}, so that their widths are known to be equal`;
    }
    if (provider.dimensions === fallback.dimensions) return null;
    return `makes vectors of width ${fallback.dimensions}, but ${providerName} makes ${provider.dimensions}`;
  }
}
