/**
 * How near a gateway's own pace the provider comes: `npx jiti bench/gateway.ts`. Without a limit beside the ideal of so
 * many requests at once, and under a limit of requests a minute beside that limit. The limited runs are played on
 * a clock that goes faster, the endpoint's as well as the provider's.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import type { GatewayProviderConfig } from '../src/config/provider-config.ts';
import type { EmbeddingProvider } from '../src/ports/embedding-provider.ts';
import type { Clock } from '../src/providers/gateway/clock.ts';
import type * as GatewayProvider from '../src/providers/gateway/gateway-provider.ts';
import { openGatewayServer } from '../test/helpers/gateway-server.ts';
import { gatewayConfig } from '../test/helpers/provider-configs.ts';
import type { LimiterKind } from '../test/helpers/request-limiter.ts';

export interface UnlimitedResult {
  maxConcurrency: number;
  requests: number;
  rows: number;
  rowsPerSecond: number;
  idealRowsPerSecond: number;
  /** Of the ideal, which costs no time but the endpoint's latency. */
  ratio: number;
  /** A loop that sends as many requests at once over the same HTTP client and checks nothing. */
  plainRowsPerSecond: number;
  ratioToPlain: number;
}

export interface LimitedResult {
  limiter: LimiterKind;
  /** How the provider comes to know the limit. */
  known: 'config' | 'headers' | 'retry-after' | 'nothing';
  requestsPerMinute: number;
  minutes: number;
  accepted: number;
  limited: number;
  /** Accepted requests over what the limit allows in that time. */
  share: number;
  /** Of all requests. */
  limitedShare: number;
}

export interface GatewayResult {
  latencyMs: number;
  unlimited: UnlimitedResult[];
  limited: LimitedResult[];
}

const LATENCY_MS = 200;
const DIMENSIONS = 256;
const TEXTS_A_REQUEST = 64;
const TEXTS_A_CALL = 256;
const ROUND_TRIPS = 20;
const TIME_SCALE = 20;
const REQUESTS_PER_MINUTE = 600;
const MINUTES = 4;
const SERVE = 'serve-embeddings';

export async function benchGateway(): Promise<GatewayResult> {
  const { openGatewayProvider } = await loadProvider();
  const unlimited: UnlimitedResult[] = [];
  {
    await using endpoint = await startEndpoint();
    for (const maxConcurrency of [16, 64]) {
      unlimited.push(await measureUnlimited(openGatewayProvider, endpoint.url, maxConcurrency));
    }
  }
  const limited: LimitedResult[] = [];
  for (const limiter of ['fixed', 'sliding'] as const) {
    for (const known of ['config', 'headers', 'retry-after', 'nothing'] as const) {
      limited.push(await measureLimited(openGatewayProvider, limiter, known));
    }
  }
  return { latencyMs: LATENCY_MS, unlimited, limited };
}

type Open = typeof GatewayProvider.openGatewayProvider;

async function measureUnlimited(
  open: Open,
  baseURL: string,
  maxConcurrency: number,
): Promise<UnlimitedResult> {
  await using provider = await open(configFor(baseURL, { maxConcurrency }));
  const requests = maxConcurrency * ROUND_TRIPS;
  const rows = requests * TEXTS_A_REQUEST;
  // Connections and compiled code, as a run of any length has them.
  await embedRows(provider, rows / 10);
  const startMs = performance.now();
  await embedRows(provider, rows);
  const seconds = (performance.now() - startMs) / 1000;
  await plainLoop(baseURL, maxConcurrency, requests / 10);
  const plainStartMs = performance.now();
  await plainLoop(baseURL, maxConcurrency, requests);
  const plainSeconds = (performance.now() - plainStartMs) / 1000;
  const idealSeconds = (Math.ceil(requests / maxConcurrency) * LATENCY_MS) / 1000;
  return {
    maxConcurrency,
    requests,
    rows,
    rowsPerSecond: Math.round(rows / seconds),
    idealRowsPerSecond: Math.round(rows / idealSeconds),
    ratio: round(idealSeconds / seconds),
    plainRowsPerSecond: Math.round(rows / plainSeconds),
    ratioToPlain: round(plainSeconds / seconds),
  };
}

async function embedRows(provider: EmbeddingProvider, rows: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < rows) {
      const start = next;
      next += TEXTS_A_CALL;
      const count = Math.min(TEXTS_A_CALL, rows - start);
      await provider.embed(
        Array.from({ length: count }, (_each, index) => `the text of row ${start + index}`),
      );
    }
  };
  await Promise.all(Array.from({ length: provider.maxConcurrency }, worker));
}

async function plainLoop(baseURL: string, concurrency: number, requests: number): Promise<void> {
  const agent = new Agent();
  let next = 0;
  const worker = async () => {
    while (next < requests) {
      const first = next * TEXTS_A_REQUEST;
      next += 1;
      const input = Array.from(
        { length: TEXTS_A_REQUEST },
        (_each, index) => `the text of row ${first + index}`,
      );
      const { body } = await request(`${baseURL}/embeddings`, {
        method: 'POST',
        dispatcher: agent,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'bench', input, encoding_format: 'base64' }),
      });
      await body.json();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  await agent.destroy();
}

async function measureLimited(
  open: Open,
  limiter: LimiterKind,
  known: LimitedResult['known'],
): Promise<LimitedResult> {
  await using server = await openGatewayServer({
    dimensions: 8,
    latencyMs: LATENCY_MS / TIME_SCALE,
    limit: {
      kind: limiter,
      requestsPerMinute: REQUESTS_PER_MINUTE,
      timeScale: TIME_SCALE,
      announce: known === 'config' ? 'nothing' : known,
    },
  });
  const changes = {
    dimensions: 8,
    maxConcurrency: 32,
    requestsPerMinute: known === 'config' ? REQUESTS_PER_MINUTE : null,
    timeoutMs: 60_000 * TIME_SCALE,
  };
  await using provider = await open(configFor(server.url, changes), {}, { clock: fasterClock(TIME_SCALE) });
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error('time is up')), (MINUTES * 60_000) / TIME_SCALE);
  const worker = async () => {
    for (let turn = 0; !controller.signal.aborted; turn += 1) {
      await provider.embed([`text ${turn}`], { signal: controller.signal }).catch((error: unknown) => {
        if (!controller.signal.aborted) throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: provider.maxConcurrency }, worker));
  clearTimeout(timer);
  const accepted = server.statuses.get(200) ?? 0;
  const refused = server.statuses.get(429) ?? 0;
  return {
    limiter,
    known,
    requestsPerMinute: REQUESTS_PER_MINUTE,
    minutes: MINUTES,
    accepted,
    limited: refused,
    share: round(accepted / (REQUESTS_PER_MINUTE * MINUTES)),
    limitedShare: Math.round((refused / (accepted + refused)) * 10_000) / 10_000,
  };
}

function fasterClock(scale: number): Clock {
  const startMs = performance.now();
  return {
    now: () => startMs + (performance.now() - startMs) * scale,
    epoch: () => Date.now(),
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs / scale);
      return () => clearTimeout(timer);
    },
    random: Math.random,
  };
}

function configFor(baseURL: string, changes: Partial<GatewayProviderConfig>): GatewayProviderConfig {
  return gatewayConfig({
    name: 'bench',
    baseURL,
    model: 'bench',
    dimensions: DIMENSIONS,
    maxInputs: TEXTS_A_REQUEST,
    ...changes,
  });
}

/** What users run, where it is built. `require` because a TypeScript loader would take hold of an `import` as well. */
async function loadProvider(): Promise<typeof GatewayProvider> {
  const built = fileURLToPath(new URL('../dist/providers/gateway/gateway-provider.js', import.meta.url));
  if (existsSync(built)) return createRequire(import.meta.url)(built) as typeof GatewayProvider;
  return await import('../src/providers/gateway/gateway-provider.ts');
}

/** An endpoint in a process of its own, so that its work is not counted as the provider's. */
export async function startEndpoint(): Promise<{ url: string } & AsyncDisposable> {
  const child = fork(fileURLToPath(import.meta.url), [SERVE], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    execArgv: ['--import', 'jiti/register'],
  });
  const [port] = (await once(child, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${port}/v1`,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

async function serve(): Promise<void> {
  const vector = Float32Array.from({ length: DIMENSIONS }, (_each, index) => Math.sin(index + 1));
  const embedding = Buffer.from(vector.buffer).toString('base64');
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { input } = JSON.parse(Buffer.concat(chunks).toString()) as { input: string[] };
      const data = input.map(
        (_text, index) => `{"object":"embedding","index":${index},"embedding":"${embedding}"}`,
      );
      const usage = `{"prompt_tokens":${input.length},"total_tokens":${input.length}}`;
      const body = `{"object":"list","data":[${data.join(',')}],"model":"bench","usage":${usage}}`;
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(body);
      }, LATENCY_MS);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send?.((server.address() as AddressInfo).port);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

if (process.argv[2] === SERVE) await serve();
else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await benchGateway(), null, 2));
}
