import type { ProviderConfig } from '../config/provider-config.ts';
import { Scope } from '../lifetime/scope.ts';
import type { EmbeddingProvider, OpenProviderOptions } from '../ports/embedding-provider.ts';
import { openProvider } from './open-provider.ts';
import type { ProviderLease } from './pool/provider-pool.ts';

/**
 * A provider for one scope, outside of every pool: it evicts nobody, is shared with nobody, and its memory is
 * given back when the scope ends. Disposal never throws, so it cannot hide the error that ended the scope; what
 * fails in it is reported as a warning.
 *
 * @throws whatever the provider's opener throws; then nothing is left to dispose
 */
export async function temporaryProvider(
  config: ProviderConfig,
  options: OpenProviderOptions = {},
): Promise<ProviderLease> {
  const scope = new Scope((message) => options.report?.({ type: 'warning', message }));
  const provider = scope.use(`provider ${config.name}`, await openProvider(config, options));
  return { provider, [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose]() };
}

/**
 * The same for code that would rather pass a function: opens, calls, disposes, in every case.
 * @returns what `use` returns
 */
export async function withProvider<Result>(
  config: ProviderConfig,
  use: (provider: EmbeddingProvider) => Promise<Result>,
  options: OpenProviderOptions = {},
): Promise<Result> {
  await using temporary = await temporaryProvider(config, options);
  return await use(temporary.provider);
}
