import { configureProvider } from '../../src/config/configure-provider.ts';
import { openProvider } from '../../src/providers/open-provider.ts';
import { describeProviderContract } from './provider.contract.ts';

describeProviderContract('the static model that ships with vecpipe', async () => ({
  open: (options) => openProvider(configureProvider({ kind: 'static' }), options),
}));
