import type { ProviderConfig } from '../config/config.ts';
import type { CallOptions } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';

/**
 * Opens the provider that a config describes. Each kind is loaded when it is first asked for, so that a run pays
 * only for the libraries it uses. Errors are those of the kind's own opener; the caller disposes.
 */
export async function openProvider(
  config: ProviderConfig,
  options: CallOptions = {},
): Promise<EmbeddingProvider> {
  switch (config.kind) {
    case 'static': {
      const { openStaticProvider } = await import('./static/static-provider.ts');
      return await openStaticProvider(config, options);
    }
    default:
      config.kind satisfies never;
      throw new Error(`there is no provider of kind ${String(config.kind)}`);
  }
}
