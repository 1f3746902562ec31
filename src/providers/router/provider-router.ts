import type { ProviderConfig, RouteConfig } from '../../config/provider-config.ts';
import type { Outage, WaitOptions } from '../../lifetime/outage.ts';
import type { CallOptions } from '../../ports/database.ts';
import type { EmbeddingProvider } from '../../ports/embedding-provider.ts';
import type { Report } from '../../ports/run-events.ts';
import { EmbeddingProviderPool } from '../pool/provider-pool.ts';
import type { PoolOptions } from '../pool/provider-pool.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { openProviderOutage } from './provider-outage.ts';
import { ProviderRoute } from './provider-route.ts';
import type { RouteMember } from './provider-route.ts';

/** Whoever waits for a provider asks it seldom as it is, and wants to know soon that it is back. */
const WAITING = { coolDownMs: 5_000 };

export interface RouterOptions {
  providers: ReadonlyMap<string, ProviderConfig>;
  report: Report;
  /** How a provider that has answered before is waited for; left out: not at all. */
  wait?: WaitOptions | undefined;
  /** Left out: the program's own. */
  open?: NonNullable<PoolOptions['open']>;
}

/**
 * Opens the providers that routes ask for, each once, and keeps them open until it is disposed. Disposal closes
 * every provider; one that fails is a warning and does not stop the others.
 */
export class ProviderRouter implements AsyncDisposable {
  readonly #providers: ReadonlyMap<string, ProviderConfig>;
  readonly #report: Report;
  readonly #pool: EmbeddingProviderPool;
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #wait: WaitOptions | undefined;
  readonly #outages: Outage[] = [];
  readonly #routes = new Map<string, Promise<ProviderRoute>>();

  constructor({ providers, report, wait, open }: RouterOptions) {
    this.#providers = providers;
    this.#wait = wait;
    this.#report = report;
    // A run works on all its targets at once, so none of their models could be missed.
    this.#pool = new EmbeddingProviderPool({ maxModels: Infinity, report, ...(open && { open }) });
  }

  /**
   * The route that a config names; equal ones are the same. Opens the provider, but its fallback only at the
   * first call that needs it. The router keeps it.
   * @throws whatever the provider's opener throws; a later call tries again
   */
  route(config: RouteConfig, options: CallOptions = {}): Promise<ProviderRoute> {
    const key = JSON.stringify([config.provider, config.fallback]);
    const known = this.#routes.get(key);
    if (known) return known;
    const opening = this.#open(config, options);
    this.#routes.set(key, opening);
    opening.catch(() => this.#routes.delete(key));
    return opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const outage of this.#outages) outage[Symbol.dispose]();
    await this.#pool[Symbol.asyncDispose]();
  }

  async #open(config: RouteConfig, { signal }: CallOptions): Promise<ProviderRoute> {
    const provider = await this.#acquire(config.provider, signal);
    const { fallback } = config;
    return new ProviderRoute({
      primary: {
        ...this.#member(config.provider),
        provider,
        keepVectorsBytes: this.#configOf(config.provider).keepVectorsBytes,
      },
      fallback:
        fallback === null
          ? null
          : { ...this.#member(fallback), open: (callSignal) => this.#acquire(fallback, callSignal) },
      report: this.#report,
      outage: this.#openOutage(config.provider),
    });
  }

  #openOutage(name: string): Outage | null {
    if (!this.#wait) return null;
    const outage = openProviderOutage(name, this.#wait);
    this.#outages.push(outage);
    return outage;
  }

  /** The lease is never given back: the pool ends with the router. */
  async #acquire(name: string, signal: AbortSignal | undefined): Promise<EmbeddingProvider> {
    const lease = await this.#pool.acquire(this.#configOf(name), signal ? { signal } : {});
    return lease.provider;
  }

  #member(name: string): RouteMember {
    const breaker = this.#breakers.get(name) ?? new CircuitBreaker(this.#wait && WAITING);
    this.#breakers.set(name, breaker);
    const { pricePerMillionTokens, creditsPerMillionTokens } = this.#configOf(name);
    return { name, pricePerMillionTokens, creditsPerMillionTokens, breaker };
  }

  #configOf(name: string): ProviderConfig {
    const config = this.#providers.get(name);
    if (!config) throw new Error(`provider ${name} is not in the checked config`);
    return config;
  }
}
