import { availableParallelism } from 'node:os';
import type { ProviderConfig } from '../config/provider-config.ts';

/**
 * What one of several processes may take that use the same providers at once: its part of the cores for a local model
 * whose config leaves them open, and its part of an endpoint's limits.
 */
export function shareLimits(
  providers: ReadonlyMap<string, ProviderConfig>,
  processes: number,
  cores: number = availableParallelism(),
): ReadonlyMap<string, ProviderConfig> {
  if (processes <= 1) return providers;
  const part = (whole: number) => Math.max(1, Math.floor(whole / processes));
  const share = (provider: ProviderConfig): ProviderConfig => {
    switch (provider.kind) {
      case 'static':
        return provider;
      case 'local': {
        if (provider.workers !== null || provider.threads !== null) return provider;
        return { ...provider, workers: part(cores), threads: 1 };
      }
      case 'gateway': {
        const { requestsPerMinute, maxConcurrency } = provider;
        return {
          ...provider,
          maxConcurrency: part(maxConcurrency),
          requestsPerMinute: requestsPerMinute === null ? null : part(requestsPerMinute),
        };
      }
      default:
        return provider satisfies never;
    }
  };
  return new Map([...providers].map(([name, provider]) => [name, share(provider)]));
}
