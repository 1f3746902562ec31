import { shownHttpUrl } from '../config/connection-url.ts';
import type {
  GatewayProviderConfig,
  LocalProviderConfig,
  ProviderConfig,
} from '../config/provider-config.ts';
import { shownFile } from '../config/shown-file.ts';

/** Where a provider's vectors come from, for people: no key, user, password or query string. */
export function providerPlace(config: ProviderConfig, workingDirectory: string): string {
  switch (config.kind) {
    case 'static':
      return config.model === null
        ? 'static model that ships with vecpipe'
        : `static model in ${shownFile(config.model, workingDirectory)}`;
    case 'gateway':
      return `gateway ${shownHttpUrl(config.baseURL)}, ${describeKey(config)}, asked for ${config.encodingFormat}`;
    case 'local':
      return describeLocal(config, workingDirectory);
    default:
      throw new Error(`there is no provider of kind ${String(config satisfies never)}`);
  }
}

function describeKey({ apiKey, apiKeyEnv }: GatewayProviderConfig): string {
  return apiKey === null ? `without a key since ${apiKeyEnv} is not set` : `with the key from ${apiKeyEnv}`;
}

function describeLocal(config: LocalProviderConfig, workingDirectory: string): string {
  const { model, modelFrom, dtype, isOffline } = config;
  if (modelFrom === 'folder') return `local model in ${shownFile(model, workingDirectory)} (${dtype})`;
  return `local model ${model} (${dtype}${isOffline ? ', offline' : ''})`;
}
