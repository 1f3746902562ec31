import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configureProvider } from '../../src/config/configure-provider.ts';
import { openProvider } from '../../src/providers/open-provider.ts';
import { describeProviderContract } from './provider.contract.ts';

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const MODELS = [
  { name: 'the tiny model of fixtures', model: folder('../../fixtures/tiny-model') },
  { name: 'all-MiniLM-L6-v2', model: folder('../../../shared/models/all-MiniLM-L6-v2') },
];

for (const { name, model } of MODELS) {
  if (!existsSync(model)) {
    console.warn(`skipped: the provider contract of ${name}, because the model is not on this machine`);
    continue;
  }
  describeProviderContract(`the local provider with ${name}`, async () => ({
    open: (options) => openProvider(configureProvider({ kind: 'local', model }), options),
  }));
}
