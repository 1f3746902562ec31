import { basename, isAbsolute, join, resolve } from 'node:path';
import type { ConfigParts } from './config-parts.ts';
import { httpUrlProblem } from './connection-url.ts';
import { readVariable } from './env.ts';
import type { Environment, EnvironmentRecord } from './env.ts';
import { DEFAULT_PROVIDER } from './names.ts';
import type { Problem } from './problem.ts';
import type {
  CommonProviderConfig,
  GatewayProviderConfig,
  LocalProviderConfig,
  ProviderConfig,
} from './provider-config.ts';
import type { RawGatewayProvider, RawLocalProvider, RawProvider } from './provider-schema.ts';
import { namesIn } from './section-names.ts';

const DEFAULT_BASE_URL = 'https://api.openai.com/v1';
const DEFAULT_KEY_VARIABLE = 'OPENAI_API_KEY';
const DEFAULT_HUB = 'https://huggingface.co';
const DEFAULT_LOCAL_MODEL = 'Xenova/all-MiniLM-L6-v2';
/** A credit is a token where the tokens are somebody else's; what runs on this machine is not charged. */
const DEFAULT_CREDITS: Record<RawProvider['kind'], number> = { gateway: 1_000_000, local: 0, static: 0 };
const DEFAULT_KEPT_MEGABYTES = 256;
/** Below the 8,192 of most endpoints: a prefix and the model's own marks have to fit in, too. */
const DEFAULT_TOKENS_PER_INPUT = 8000;
/** A third of what OpenAI takes; others take less, and smaller requests spread better. */
const DEFAULT_TOKENS_PER_REQUEST = 100_000;
const DEFAULT_INPUTS = 64;
const DEFAULT_CONCURRENCY = 32;
const DEFAULT_TIMEOUT_SECONDS = 60;
const DEFAULT_RETRY_SECONDS = 120;

/** Where relative paths start, and what variables hold. */
export interface ProviderSurroundings {
  /** Absolute folder of the config file. */
  folder: string;
  /** Absolute home folder. */
  home: string;
  environment: Pick<Environment, 'openaiBaseUrl' | 'openaiApiKey' | 'hubUrl' | 'hubToken'>;
  environmentRecord: EnvironmentRecord;
}

/** The providers of a config by name, the static one that is always there included. */
export function providersOf(
  parts: ConfigParts,
  home: string,
  problems: Problem[],
): Map<string, ProviderConfig> {
  const { raw, keysOf } = parts;
  const providers = new Map<string, ProviderConfig>([
    [DEFAULT_PROVIDER, resolveProvider(DEFAULT_PROVIDER, { kind: 'static' }, { ...parts, home }, [])],
  ]);
  for (const name of namesIn(raw.providers, keysOf(['providers']))) {
    const written = raw.providers?.[name];
    if (written) providers.set(name, resolveProvider(name, written, { ...parts, home }, problems));
  }
  return providers;
}

/** The complete config of one provider. It is only to be used when no problem was found. */
export function resolveProvider(
  name: string,
  raw: RawProvider,
  surroundings: ProviderSurroundings,
  problems: Problem[],
): ProviderConfig {
  const common = {
    name,
    pricePerMillionTokens: raw.pricePerMillionTokens ?? null,
    creditsPerMillionTokens: raw.creditsPerMillionTokens ?? DEFAULT_CREDITS[raw.kind],
    keepVectorsBytes: keptBytes(raw.keepVectors),
  };
  switch (raw.kind) {
    case 'static': {
      const model = raw.model === undefined ? null : resolve(surroundings.folder, raw.model);
      return { kind: 'static', ...common, model };
    }
    case 'gateway':
      return { ...gatewayOf(raw, surroundings, ['providers', name], problems), ...common };
    case 'local':
      return { ...localOf(raw, surroundings), ...common };
    default:
      return raw satisfies never;
  }
}

type Own<Provider> = Omit<Provider, keyof CommonProviderConfig>;

function gatewayOf(
  raw: RawGatewayProvider,
  { folder, environment, environmentRecord }: ProviderSurroundings,
  path: readonly string[],
  problems: Problem[],
): Own<GatewayProviderConfig> {
  const problem = raw.baseURL === undefined ? null : httpUrlProblem(raw.baseURL);
  if (problem !== null) problems.push({ path: [...path, 'baseURL'], message: problem });
  const baseURL = raw.baseURL ?? environment.openaiBaseUrl ?? DEFAULT_BASE_URL;
  return {
    kind: 'gateway',
    baseURL: baseURL.replace(/\/+$/, ''),
    apiKey:
      raw.apiKeyEnv === undefined ? environment.openaiApiKey : readVariable(environmentRecord, raw.apiKeyEnv),
    apiKeyEnv: raw.apiKeyEnv ?? DEFAULT_KEY_VARIABLE,
    needsApiKey: raw.apiKeyEnv !== undefined || baseURL === DEFAULT_BASE_URL,
    apiKeyHeader: (raw.apiKeyHeader ?? 'authorization').toLowerCase(),
    query: raw.query ?? {},
    model: raw.model,
    modelId: raw.modelId ?? raw.model,
    dimensions: raw.dimensions ?? null,
    sendDimensions:
      raw.dimensions !== undefined && (raw.sendDimensions ?? /\btext-embedding-3-/.test(raw.model)),
    encodingFormat: raw.encodingFormat ?? 'base64',
    tokenizer: raw.tokenizer === undefined ? null : resolve(folder, raw.tokenizer),
    maxInputs: raw.maxInputs ?? DEFAULT_INPUTS,
    maxTokensPerRequest: raw.maxTokensPerRequest ?? DEFAULT_TOKENS_PER_REQUEST,
    maxTokensPerInput: raw.maxTokensPerInput ?? DEFAULT_TOKENS_PER_INPUT,
    maxConcurrency: raw.maxConcurrency ?? DEFAULT_CONCURRENCY,
    requestsPerMinute: raw.requestsPerMinute ?? null,
    timeoutMs: Math.round((raw.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000),
    retryMs: Math.round((raw.retrySeconds ?? DEFAULT_RETRY_SECONDS) * 1000),
    queryPrefix: raw.queryPrefix ?? null,
    passagePrefix: raw.passagePrefix ?? null,
  };
}

function localOf(
  raw: RawLocalProvider,
  { folder, home, environment }: ProviderSurroundings,
): Own<LocalProviderConfig> {
  const written = raw.model ?? DEFAULT_LOCAL_MODEL;
  // A hub id looks like a relative path of two parts, so a folder has to say that it is one.
  const isFolder = /^\.{0,2}[/\\]|^\.{1,2}$/.test(written) || isAbsolute(written);
  const model = isFolder ? resolve(folder, written) : written;
  return {
    kind: 'local',
    model,
    modelFrom: isFolder ? 'folder' : 'hub',
    // The folder's place differs between machines, its name hardly ever.
    modelId: raw.modelId ?? (isFolder ? basename(model) : model),
    revision: raw.revision ?? 'main',
    hub: { url: (environment.hubUrl ?? DEFAULT_HUB).replace(/\/+$/, ''), token: environment.hubToken },
    cacheFolder: raw.cache === undefined ? join(home, 'models') : resolve(folder, raw.cache),
    isOffline: raw.offline ?? false,
    dtype: raw.dtype ?? 'q8',
    dimensions: raw.dimensions ?? null,
    pooling: raw.pooling ?? null,
    maxTokensPerInput: raw.maxTokensPerInput ?? null,
    workers: raw.workers ?? null,
    threads: raw.threads ?? null,
    queryPrefix: raw.queryPrefix ?? null,
    passagePrefix: raw.passagePrefix ?? null,
  };
}

function keptBytes(keepVectors: RawProvider['keepVectors']): number | null {
  if (keepVectors === undefined || keepVectors === false) return null;
  const megabytes = keepVectors === true ? undefined : keepVectors.maxMegabytes;
  return Math.round((megabytes ?? DEFAULT_KEPT_MEGABYTES) * 1024 * 1024);
}
