import type { ProviderConfig } from '../config/provider-config.ts';
import type { Entity } from '../entities/entity.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { checkVectors } from '../pipeline/check-vectors.ts';
import { fingerprintSettings } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { EmbeddingProvider, OpenProviderOptions } from '../ports/embedding-provider.ts';
import type { ProviderLease } from '../providers/pool/provider-pool.ts';
import { fail, ok, shownMs, warn } from './check.ts';
import type { Finding } from './check.ts';
import { errorFinding } from './error-finding.ts';
import { lengthOf } from '../util/vector-math.ts';

/** Every model knows these words; the same text for all, so that vectors can be compared. */
const TEXT = 'A short text that shows whether this model answers';
/** Rounding, and no more. */
const LENGTH_TOLERANCE = 1e-3;
/** A doctor does not wait until a service has recovered. */
const LONGEST_RETRY_MS = 5_000;

export type OpenProvider = (config: ProviderConfig, options: OpenProviderOptions) => Promise<ProviderLease>;

/** What is to be remembered of a provider that answered. */
export interface ProbedProvider {
  modelId: string;
  dimensions: number;
  /** Of a text that is the same for all providers. */
  vector: Float32Array;
  /** What would be recorded for a collection that it fills, by the entity's name. */
  settings: ReadonlyMap<string, FingerprintSettings>;
}

export interface ProbeOptions extends OpenProviderOptions {
  open: OpenProvider;
  /** The provider for people. */
  place: string;
  /** That it may be asked for. */
  entities: readonly Entity[];
}

/**
 * Opens a provider, embeds one text, and closes it. A model that would have to be downloaded is not.
 * @returns `probed` null unless it answered as the port promises
 * @throws the signal's reason when aborted
 */
export async function probeProvider(
  config: ProviderConfig,
  { open, place, entities, ...options }: ProbeOptions,
): Promise<{ finding: Finding; probed: ProbedProvider | null }> {
  try {
    const startedAt = performance.now();
    await using lease = await open(forProbe(config), options);
    const openedMs = performance.now() - startedAt;
    return await embedOne(lease.provider, config, { place, entities, openedMs }, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    return { finding: openingFinding(error, config, place), probed: null };
  }
}

function forProbe(config: ProviderConfig): ProviderConfig {
  switch (config.kind) {
    case 'static':
      return config;
    case 'gateway':
      return { ...config, retryMs: Math.min(config.retryMs, LONGEST_RETRY_MS) };
    case 'local':
      return { ...config, isOffline: true };
    default:
      throw new Error(`there is no provider of kind ${String(config satisfies never)}`);
  }
}

function openingFinding(error: unknown, config: ProviderConfig, place: string): Finding {
  const isMerelyNotHere =
    config.kind === 'local' &&
    config.modelFrom === 'hub' &&
    !config.isOffline &&
    error instanceof VecpipeError &&
    error.code === 'model_unavailable';
  if (isMerelyNotHere) {
    return warn(
      `${place}: not on this machine yet, so it was not tried`,
      'run `vecpipe vectorize`, which downloads it once',
    );
  }
  const finding = errorFinding(error);
  // The provider's own errors name it.
  return error instanceof VecpipeError ? finding : { ...finding, found: `${place}: ${finding.found}` };
}

async function embedOne(
  provider: EmbeddingProvider,
  config: ProviderConfig,
  { place, entities, openedMs }: { place: string; entities: readonly Entity[]; openedMs: number },
  options: OpenProviderOptions,
): Promise<{ finding: Finding; probed: ProbedProvider | null }> {
  const { modelId, dimensions } = provider;
  const { signal } = options;
  const startedAt = performance.now();
  const result = await provider.embed([TEXT], signal ? { signal } : {});
  const tookMs = performance.now() - startedAt;
  const [vector] = checkVectors(provider, 1, result);
  const failed = (found: string, fix: string) => ({ finding: fail(`${place}: ${found}`, fix), probed: null });
  if (!(vector instanceof Float32Array)) {
    return failed(
      `it refuses a plain English text: ${vector?.reason ?? 'no reason given'} (${vector?.code ?? 'unknown'})`,
      'check that the configured model is one for texts',
    );
  }
  const wanted = 'dimensions' in config ? config.dimensions : null;
  if (wanted !== null && wanted !== dimensions) {
    return failed(
      `its vectors have ${dimensions} dimensions, and the config says ${wanted}`,
      `correct providers.${config.name}.dimensions`,
    );
  }
  const length = lengthOf(vector);
  if (Math.abs(length - 1) > LENGTH_TOLERANCE) {
    return failed(`its vector has the length ${length.toFixed(3)} and not 1`, 'please report this bug');
  }
  const tokens = `${result.tokens} ${result.tokens === 1 ? 'token' : 'tokens'}`;
  const settings = new Map(entities.map((entity) => [entity.name, fingerprintSettings(entity, provider)]));
  return {
    finding: ok(
      `${place}: ${modelId}, ${dimensions} dimensions, unit length; opened in ${shownMs(openedMs)}, one text of ${tokens} in ${shownMs(tookMs)}`,
    ),
    probed: { modelId, dimensions, vector, settings },
  };
}
