import { configureProvider } from '../../src/config/configure-provider.ts';
import type { ProviderOptions } from '../../src/config/configure-provider.ts';
import type {
  GatewayProviderConfig,
  LocalProviderConfig,
  ProviderConfig,
  StaticProviderConfig,
} from '../../src/config/provider-config.ts';

/** What a file that gives no more than it must makes of each kind, whatever the environment holds, with changes. */
export function staticConfig(changes: Partial<StaticProviderConfig> = {}): StaticProviderConfig {
  return { ...complete({ kind: 'static' }), ...changes };
}

export function gatewayConfig(changes: Partial<GatewayProviderConfig> = {}): GatewayProviderConfig {
  const { model = 'm', modelId = model } = changes;
  return { ...complete({ kind: 'gateway', model, baseURL: 'http://127.0.0.1:9' }), ...changes, modelId };
}

export function localConfig(changes: Partial<LocalProviderConfig> = {}): LocalProviderConfig {
  return { ...complete({ kind: 'local' }), ...changes };
}

function complete<Kind extends ProviderConfig['kind']>(options: ProviderOptions & { kind: Kind }) {
  const config = configureProvider(options, { name: options.kind, folder: '/', environment: {} });
  return config as Extract<ProviderConfig, { kind: Kind }>;
}
