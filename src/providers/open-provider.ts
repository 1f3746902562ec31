import type { ProviderConfig } from '../config/provider-config.ts';
import type { EmbeddingProvider, OpenProviderOptions } from '../ports/embedding-provider.ts';

/**
 * Opens the provider that a config describes. Each kind is loaded when it is first asked for, so that a run pays
 * only for the libraries it uses. Errors are those of the kind's own opener; the caller disposes.
 */
export async function openProvider(
  config: ProviderConfig,
  options: OpenProviderOptions = {},
): Promise<EmbeddingProvider> {
  switch (config.kind) {
    case 'static': {
      const { openStaticProvider } = await import('./static/static-provider.ts');
      return await openStaticProvider(config, options);
    }
    case 'gateway': {
      const { openGatewayProvider } = await import('./gateway/gateway-provider.ts');
      return await openGatewayProvider(config, options);
    }
    case 'local': {
      const { openLocalProvider } = await import('./local/local-provider.ts');
      return await openLocalProvider(config, options);
    }
    default:
      throw new Error(`there is no provider of kind ${String(config satisfies never)}`);
  }
}
