import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { Agent, request as undiciRequest } from 'undici';
import type { Dispatcher } from 'undici';
import type { OpenAI as OpenAIClient } from 'openai';
import { shownHttpUrl } from '../../config/connection-url.ts';
import type { GatewayProviderConfig } from '../../config/provider-config.ts';
import type { LimitHeaders } from './limit-headers.ts';
import { readLimitHeaders } from './limit-headers.ts';

/** An HTTP answer, whatever its status. */
export interface GatewayAnswer {
  status: number;
  contentType: string;
  limits: LimitHeaders;
  body: string;
}

export interface EmbeddingsRequest {
  model: string;
  input: readonly string[];
  encoding_format: 'base64' | 'float';
  dimensions?: number;
}

export interface GatewayClient extends AsyncDisposable {
  /** Scheme, server, port and path; no user, password or query string. */
  readonly shownUrl: string;
  /** @throws whatever the connection failed with; the abort of the signal as some error */
  post(request: EmbeddingsRequest, signal: AbortSignal): Promise<GatewayAnswer>;
}

const DECODERS: Readonly<Record<string, (bytes: ArrayBuffer) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

type SdkFetch = typeof globalThis.fetch;

/** The SDK wants one even where the endpoint does not; it is not sent. */
const NO_KEY = 'none';

/**
 * The OpenAI SDK over connections of our own, which disposal closes, those under way included. The SDK builds
 * requests and hands answers over as they came: it retries nothing, logs nothing and takes nothing from the
 * environment, neither its variables nor headers that OPENAI_CUSTOM_HEADERS would add.
 *
 * A user and password in the base URL become basic authorization where no key takes that header, a query string there
 * is joined with `config.query`. Redirects are not followed, since the key would go along. Below the SDK is undici's
 * `request` and not its `fetch`, whose streams cost a quarter of the time that an answer takes on this side.
 */
export async function openGatewayClient(config: GatewayProviderConfig): Promise<GatewayClient> {
  // Loaded late: a run without a gateway does not pay for it.
  const { OpenAI } = await import('openai');
  const agent = new Agent({
    connect: { timeout: config.timeoutMs },
    // The whole of a request has a limit of time of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const url = new URL(config.baseURL);
  const headers = ownHeaders(config, url);
  const sentHeaders = new Set([...Object.keys(headers), 'content-type']);
  const fetch = async (target: string, init: RequestInit): Promise<unknown> => {
    const given = new Headers(init.headers);
    const {
      statusCode,
      headers: received,
      body,
    } = await undiciRequest(target, {
      method: 'POST',
      headers: Object.fromEntries([...given].filter(([name]) => sentHeaders.has(name))),
      body: init.body as string,
      ...(init.signal && { signal: init.signal }),
      dispatcher: agent,
    });
    return {
      // Of an error the SDK would keep the member `error` alone, where gateways say `detail` or `message`.
      ok: true,
      status: statusCode,
      headers: new Headers(Object.entries(received).map(([name, value]) => [name, String(value)])),
      text: () => textOf(body, received['content-encoding']),
    };
  };
  const client: OpenAIClient = new OpenAI({
    apiKey: NO_KEY,
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    baseURL: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    defaultHeaders: { authorization: null, ...headers },
    defaultQuery: { ...Object.fromEntries(url.searchParams), ...config.query },
    fetch: fetch as SdkFetch,
    maxRetries: 0,
    timeout: config.timeoutMs,
    logLevel: 'off',
  });
  return {
    shownUrl: shownHttpUrl(config.baseURL),
    async post(request, signal) {
      const response = await client.post('/embeddings', { body: request, signal }).asResponse();
      return {
        status: response.status,
        contentType: response.headers.get('content-type') ?? '',
        limits: readLimitHeaders(response.headers, Date.now()),
        body: await response.text(),
      };
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
    },
  };
}

/** Compression is not asked for, as vectors hardly shrink by it; some proxies do it all the same. */
async function textOf(body: Dispatcher.ResponseData['body'], encoding: unknown): Promise<string> {
  const decode = typeof encoding === 'string' ? DECODERS[encoding.toLowerCase()] : undefined;
  if (decode === undefined) return body.text();
  return (await decode(await body.arrayBuffer())).toString();
}

function ownHeaders({ apiKey, apiKeyHeader }: GatewayProviderConfig, url: URL): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'vecpipe' };
  if (url.username !== '' || url.password !== '') {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  if (apiKey !== null) {
    headers[apiKeyHeader] = apiKeyHeader === 'authorization' ? `Bearer ${apiKey}` : apiKey;
  }
  return headers;
}
