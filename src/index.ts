/**
 * What other programs may use: the embedding providers, without database, store or config file (see docs/api.md).
 * Everything else in this package is private and may change in any version.
 */
export { configureProvider } from './config/configure-provider.ts';
export type { ConfigureOptions, ProviderOptions } from './config/configure-provider.ts';
export type { ProviderConfig } from './config/provider-config.ts';
export { VecpipeError } from './errors/vecpipe-error.ts';
export type { ErrorFamily } from './errors/vecpipe-error.ts';
export type {
  EmbeddingProvider,
  EmbedOptions,
  EmbedResult,
  OpenProviderOptions,
  RefusedText,
  TextPurpose,
  Tokenizer,
  Word,
} from './ports/embedding-provider.ts';
export type { Report, RunEvent } from './ports/run-events.ts';
export { openProvider } from './providers/open-provider.ts';
export { EmbeddingProviderPool } from './providers/pool/provider-pool.ts';
export type { PoolOptions, ProviderLease } from './providers/pool/provider-pool.ts';
export { temporaryProvider, withProvider } from './providers/temporary-provider.ts';
