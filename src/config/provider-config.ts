/** What every kind of provider has. */
export interface CommonProviderConfig {
  /** Its name in the config, for messages. */
  name: string;
  /** Money for a million tokens, in whatever currency the config counts in; null is free. */
  pricePerMillionTokens: number | null;
  /** What a tenant with a credit account is charged for a million tokens; decimals are allowed, 0 charges nothing. */
  creditsPerMillionTokens: number;
  /** Keep bought vectors beyond the batch they were bought for, up to so many bytes a tenant; null keeps none. */
  keepVectorsBytes: number | null;
}

/** The shipped static model, or a folder in Model2Vec format. */
export interface StaticProviderConfig extends CommonProviderConfig {
  kind: 'static';
  /** Absolute folder; null is the model that ships with vecpipe. */
  model: string | null;
}

/** What a model wants to see before a text; null where the provider is to find out by itself. */
interface PrefixConfig {
  queryPrefix: string | null;
  passagePrefix: string | null;
}

/** An endpoint that speaks the OpenAI embeddings protocol. */
export interface GatewayProviderConfig extends CommonProviderConfig, PrefixConfig {
  kind: 'gateway';
  /** Everything before `/embeddings`, without a slash at the end. */
  baseURL: string;
  /** A secret: never in a message. Null where the endpoint wants none. */
  apiKey: string | null;
  /** The variable that the key was read from, for messages. */
  apiKeyEnv: string;
  /** The config or the endpoint asks for a key: without one the provider is not opened. */
  needsApiKey: boolean;
  /** Header that carries the key; `authorization` as a bearer token. */
  apiKeyHeader: string;
  /** Added to every request's query string, such as Azure's `api-version`. */
  query: Readonly<Record<string, string>>;
  /** Name that the endpoint knows the model by. */
  model: string;
  /** Name of the weights: providers with the same one give the same vectors. */
  modelId: string;
  /** Width to expect; null asks the endpoint with one text when the provider is opened. */
  dimensions: number | null;
  /** Whether the width is sent as a wish, which not every endpoint understands. */
  sendDimensions: boolean;
  encodingFormat: 'base64' | 'float';
  /** Absolute path of a tokenizer.json, or of a folder that has one, for exact counts; null estimates. */
  tokenizer: string | null;
  /** Texts a request at the most. */
  maxInputs: number;
  maxTokensPerRequest: number;
  maxTokensPerInput: number;
  /** Requests under way at once at the most. */
  maxConcurrency: number;
  /** Null where the endpoint names none; then its answers teach the limit. */
  requestsPerMinute: number | null;
  /** A request that takes longer counts as failed. */
  timeoutMs: number;
  /** How long one request is tried again, waits included. */
  retryMs: number;
}

/** Where models are downloaded from. */
export interface HubConfig {
  /** Without a slash at the end. */
  url: string;
  /** A secret: never in a message. Null for models that everybody may read. */
  token: string | null;
}

/** A transformers model in ONNX that runs on this machine. */
export interface LocalProviderConfig extends CommonProviderConfig, PrefixConfig {
  kind: 'local';
  /** Hub id such as `Xenova/all-MiniLM-L6-v2`, or absolute folder. */
  model: string;
  modelFrom: 'hub' | 'folder';
  /** Name of the weights: providers with the same one give the same vectors. */
  modelId: string;
  /** Branch, tag or commit at the hub. */
  revision: string;
  hub: HubConfig;
  /** Absolute folder of downloaded models. */
  cacheFolder: string;
  /** Never ask the hub: folder or cache only. */
  isOffline: boolean;
  /** Which of the model's weights: `q8` is int8. */
  dtype: 'q8' | 'fp32' | 'fp16' | 'q4';
  /** Width to expect; null takes what the model has. */
  dimensions: number | null;
  /** Null is what the model's own config says, mean where it is silent. */
  pooling: 'mean' | 'cls' | null;
  /** Tokens a text at the most; null is what the model's own config says. */
  maxTokensPerInput: number | null;
  /** Worker threads, each with a copy of the model; null is chosen from the cores. */
  workers: number | null;
  /** Threads of one worker; null is chosen from the cores. */
  threads: number | null;
}

export type ProviderConfig = StaticProviderConfig | GatewayProviderConfig | LocalProviderConfig;

/** Which provider embeds, and which one steps in while that one is down. Names of `Config.providers`. */
export interface RouteConfig {
  provider: string;
  fallback: string | null;
}
