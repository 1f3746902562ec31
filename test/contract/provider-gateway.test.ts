import { afterAll, beforeAll } from 'vitest';
import { configureProvider } from '../../src/config/configure-provider.ts';
import { openProvider } from '../../src/providers/open-provider.ts';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import type { GatewayServer, GatewayShape } from '../helpers/gateway-server.ts';
import { describeProviderContract } from './provider.contract.ts';

const SHAPES: readonly GatewayShape[] = ['openai', 'azure', 'litellm', 'vllm', 'tei', 'ollama'];

for (const shape of SHAPES) {
  let server: GatewayServer;
  beforeAll(async () => {
    server = await openGatewayServer({ shape, dimensions: 24 });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describeProviderContract(`a gateway that answers like ${shape}`, async () => ({
    // The width is asked for, as a config without `dimensions` does.
    open: (options) =>
      openProvider(configureProvider({ kind: 'gateway', baseURL: server.url, model: 'm' }), options),
  }));
}
