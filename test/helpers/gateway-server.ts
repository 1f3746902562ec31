import { createHash } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { RequestLimiter } from './request-limiter.ts';
import type { LimiterDecision, LimiterKind } from './request-limiter.ts';

/** Whose way of answering is imitated; the shapes are those the real ones answered. */
export type GatewayShape = 'openai' | 'azure' | 'litellm' | 'vllm' | 'tei' | 'ollama';

/** One way of not answering well. */
export type Behaviour =
  | 'html'
  | 'html_502'
  | 'truncated'
  | 'cut_json'
  | 'reset'
  | 'hang'
  | 'hang_in_body'
  | 'error_in_200'
  | 'detail_in_200'
  | 'message_in_200'
  | 'wrong_count'
  | 'shuffled'
  | 'gzip'
  | 'duplicate_index'
  | 'missing_index'
  | 'foreign_index'
  | 'wrong_width'
  | 'nan'
  | 'infinity'
  | 'zero'
  | { status: number; headers?: Record<string, string>; body?: unknown };

export interface SeenRequest {
  /** From 1 on. */
  number: number;
  path: string;
  headers: IncomingHttpHeaders;
  inputs: string[];
  body: Record<string, unknown>;
}

export interface GatewayServerOptions {
  shape?: GatewayShape;
  dimensions?: number;
  latencyMs?: number;
  /** The key that is asked for, as `authorization: Bearer` or in `apiKeyHeader`. */
  apiKey?: string;
  apiKeyHeader?: string;
  /** Every other model is not found. */
  model?: string;
  limit?: {
    kind: LimiterKind;
    requestsPerMinute: number;
    /** How much faster its clock goes than the real one; what it says of time is in its own. */
    timeScale?: number;
    announce: 'headers' | 'retry-after' | 'nothing';
  };
  /** 413 above it, as TEI does. */
  maxInputs?: number;
  base64?: 'given' | 'ignored' | 'quarter' | 'refused';
  /** Left out: reported. */
  usage?: 'reported' | 'missing';
  /** The reason why a text is refused with 400; null takes it. */
  refuse?: (text: string) => string | null;
  /** A request that is to go wrong. */
  behave?: (request: SeenRequest) => Behaviour | null | undefined;
}

export interface GatewayServer extends AsyncDisposable {
  /** Everything before `/embeddings`. */
  readonly url: string;
  /** May be changed at any time. */
  options: GatewayServerOptions;
  readonly requests: SeenRequest[];
  /** Statuses that were sent, and how often. */
  readonly statuses: Map<number, number>;
  /** How often each text was answered with a sound vector. */
  readonly paid: Map<string, number>;
  /** Sum over the answered requests. */
  readonly reportedTokens: number;
  readonly openSockets: number;
  readonly underWay: number;
  readonly peakUnderWay: number;
  /** Resolves when so many requests have come. */
  reached(requests: number): Promise<void>;
  /** Resolves when no socket is open. */
  deserted(): Promise<void>;
}

/** A vector that depends on the text alone, not of unit length. */
export function gatewayVector(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  let block = Buffer.alloc(0);
  for (let index = 0; index < dimensions; index += 1) {
    const place = (index * 4) % 32;
    if (place === 0) block = createHash('sha256').update(`${index}:${text}`).digest();
    vector[index] = block.readInt32BE(place) / 2 ** 30;
  }
  return vector;
}

/** The same at unit length, as the provider is to give it. */
export function unitGatewayVector(text: string, dimensions: number): Float32Array {
  const vector = gatewayVector(text, dimensions);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** One token a word, and one for the text. */
export function gatewayTokens(text: string): number {
  return (text.match(/\S+/g)?.length ?? 0) + 1;
}

/** A local endpoint that speaks the OpenAI embeddings protocol, well or badly. Disposal closes it at once. */
export async function openGatewayServer(options: GatewayServerOptions = {}): Promise<GatewayServer> {
  const server = new TestGateway(options);
  await server.listen();
  return server;
}

class TestGateway implements GatewayServer {
  options: GatewayServerOptions;
  readonly requests: SeenRequest[] = [];
  readonly statuses = new Map<number, number>();
  readonly paid = new Map<string, number>();
  reportedTokens = 0;
  underWay = 0;
  peakUnderWay = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });
  readonly #stop = new AbortController();
  #limiter: RequestLimiter | null = null;
  #watchers: (() => void)[] = [];

  constructor(options: GatewayServerOptions) {
    this.options = options;
    setMaxListeners(0, this.#stop.signal);
    // Longer than any test waits: an end of the server's own would look like a socket that the client closed.
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#look();
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  reached(requests: number): Promise<void> {
    return this.#when(() => this.requests.length >= requests);
  }

  deserted(): Promise<void> {
    return this.#when(() => this.#sockets.size === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #when(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!isSo()) return;
        this.#watchers = this.#watchers.filter((each) => each !== watcher);
        resolve();
      };
      this.#watchers.push(watcher);
      watcher();
    });
  }

  #look(): void {
    for (const watcher of this.#watchers) watcher();
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    incoming.setEncoding('utf8');
    for await (const chunk of incoming) text += chunk as string;
    const body = JSON.parse(text) as Record<string, unknown>;
    const request: SeenRequest = {
      number: this.requests.length + 1,
      path: incoming.url ?? '',
      headers: incoming.headers,
      inputs: body['input'] as string[],
      body,
    };
    this.requests.push(request);
    this.underWay += 1;
    this.peakUnderWay = Math.max(this.peakUnderWay, this.underWay);
    try {
      const decision = this.#limit();
      const behaviour = this.options.behave?.(request) ?? null;
      this.#look();
      const { latencyMs = 0 } = this.options;
      if (latencyMs > 0) await delay(latencyMs, undefined, { signal: this.#stop.signal });
      if (response.destroyed) return;
      this.#respond(request, response, behaviour, decision);
    } finally {
      this.underWay -= 1;
    }
  }

  #limit(): LimiterDecision | null {
    const { limit } = this.options;
    if (limit === undefined) return null;
    this.#limiter ??= new RequestLimiter(limit.kind, limit.requestsPerMinute, 60_000);
    return this.#limiter.take(performance.now() * (limit.timeScale ?? 1));
  }

  #respond(
    request: SeenRequest,
    response: ServerResponse,
    behaviour: Behaviour | null,
    decision: LimiterDecision | null,
  ): void {
    const headers = decision === null ? {} : this.#limitHeaders(decision);
    if (decision !== null && !decision.allowed) {
      this.#send(
        response,
        429,
        this.#error(429, 'Rate limit reached for requests', 'rate_limit_error'),
        headers,
      );
      return;
    }
    const refusal = this.#refusal(request);
    if (refusal !== null) this.#send(response, refusal.status, refusal.body, headers);
    else if (behaviour !== null && typeof behaviour === 'object') {
      const body = behaviour.body ?? this.#error(behaviour.status, `status ${behaviour.status}`, 'error');
      this.#send(response, behaviour.status, body, { ...headers, ...behaviour.headers });
    } else this.#misbehave(request, response, behaviour, headers);
  }

  #refusal({ headers, inputs, body, path }: SeenRequest): { status: number; body: unknown } | null {
    const { apiKey, apiKeyHeader, model, maxInputs, base64, refuse } = this.options;
    const refused = (status: number, reason: string, type: string) => ({
      status,
      body: this.#error(status, reason, type),
    });
    if (apiKey !== undefined) {
      const given = apiKeyHeader === undefined ? headers.authorization : headers[apiKeyHeader];
      const wanted = apiKeyHeader === undefined ? `Bearer ${apiKey}` : apiKey;
      if (given !== wanted)
        return refused(401, `Incorrect API key provided: ${String(given)}`, 'invalid_request_error');
    }
    if (!path.split('?')[0]?.endsWith('/embeddings')) return refused(404, 'Not Found', 'not_found');
    if (model !== undefined && body['model'] !== model) {
      return refused(404, `The model \`${String(body['model'])}\` does not exist`, 'model_not_found');
    }
    if (base64 === 'refused' && body['encoding_format'] === 'base64') {
      return refused(400, 'encoding_format: base64 is not supported', 'invalid_request_error');
    }
    if (maxInputs !== undefined && inputs.length > maxInputs) {
      return refused(
        413,
        `batch size ${inputs.length} > maximum allowed batch size ${maxInputs}`,
        'Validation',
      );
    }
    for (const text of inputs) {
      const reason = refuse?.(text) ?? null;
      if (reason !== null) return refused(400, reason, 'invalid_request_error');
    }
    return null;
  }

  #misbehave(
    request: SeenRequest,
    response: ServerResponse,
    behaviour: Exclude<Behaviour, object> | null,
    headers: Record<string, string>,
  ): void {
    const html = '<!doctype html><html><body><h1>Bad Gateway</h1></body></html>';
    switch (behaviour) {
      case 'html':
      case 'html_502': {
        const status = behaviour === 'html' ? 200 : 502;
        this.#count(status);
        response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(html);
        return;
      }
      case 'reset':
        response.socket?.resetAndDestroy();
        return;
      case 'hang':
        return;
      case 'hang_in_body':
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{"object":"list","data":[');
        return;
      case 'truncated': {
        const whole = JSON.stringify(this.#embeddings(request, null));
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length });
        response.write(whole.slice(0, whole.length / 2), () => response.destroy());
        return;
      }
      case 'cut_json': {
        this.#count(200);
        const whole = JSON.stringify(this.#embeddings(request, null));
        response.writeHead(200, { 'content-type': 'application/json' }).end(whole.slice(0, whole.length / 2));
        return;
      }
      case 'error_in_200':
        this.#send(response, 200, this.#error(500, 'upstream error', 'server_error'), headers);
        return;
      case 'detail_in_200':
        this.#send(response, 200, { detail: 'Something went wrong' }, headers);
        return;
      case 'message_in_200':
        this.#send(response, 200, { message: 'Something went wrong' }, headers);
        return;
      case 'nan':
      case 'infinity': {
        const number = behaviour === 'nan' ? 'NaN' : '-Infinity';
        const text = JSON.stringify(this.#embeddings(request, behaviour)).replaceAll('"strange"', number);
        this.#count(200);
        response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(text);
        return;
      }
      default:
        this.#send(response, 200, this.#embeddings(request, behaviour), headers, behaviour === 'gzip');
        if (behaviour === null || behaviour === 'shuffled' || behaviour === 'gzip') {
          for (const text of request.inputs) this.paid.set(text, (this.paid.get(text) ?? 0) + 1);
          if (this.options.usage !== 'missing') this.reportedTokens += usedBy(request);
        }
    }
  }

  #embeddings(request: SeenRequest, behaviour: Exclude<Behaviour, object> | null): unknown {
    const { shape = 'openai', usage = 'reported' } = this.options;
    const { inputs, body } = request;
    const data = inputs.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: this.#embedding(text, body, index === 0 ? behaviour : null),
    }));
    if (behaviour === 'wrong_count') data.pop();
    if (behaviour === 'shuffled') data.reverse();
    if (behaviour === 'duplicate_index') for (const item of data) item.index = 0;
    if (behaviour === 'foreign_index') for (const item of data) item.index += 1;
    const tokens = usedBy(request);
    return {
      object: 'list',
      data: behaviour === 'missing_index' ? data.map(({ embedding }) => ({ embedding })) : data,
      model: body['model'],
      ...(shape === 'vllm' && { id: 'embd-1', created: 1_760_000_000 }),
      ...(usage === 'reported' && {
        usage: {
          prompt_tokens: tokens,
          total_tokens: tokens,
          ...(shape === 'vllm' && { completion_tokens: 0, prompt_tokens_details: null }),
        },
      }),
    };
  }

  #embedding(
    text: string,
    body: Record<string, unknown>,
    behaviour: Exclude<Behaviour, object> | null,
  ): unknown {
    const { dimensions = 8, base64 = 'given' } = this.options;
    const wanted = typeof body['dimensions'] === 'number' ? body['dimensions'] : dimensions;
    const vector = gatewayVector(text, behaviour === 'wrong_width' ? wanted + 1 : wanted);
    if (behaviour === 'zero') vector.fill(0);
    if (behaviour === 'nan' || behaviour === 'infinity') return ['strange', ...vector.slice(1)];
    if (body['encoding_format'] !== 'base64' || base64 === 'ignored') return [...vector];
    // What a client gets that takes bytes for numbers, or an endpoint that sends int8.
    const bytes = base64 === 'quarter' ? Buffer.alloc(wanted) : Buffer.from(vector.buffer);
    return bytes.toString('base64');
  }

  #error(status: number, message: string, type: string): unknown {
    switch (this.options.shape ?? 'openai') {
      case 'azure':
        return { error: { code: String(status), message } };
      case 'litellm':
        return {
          error: { message: `litellm.APIError: ${message}`, type, param: null, code: String(status) },
        };
      case 'vllm':
        return { error: { message, type: 'BadRequestError', param: null, code: status } };
      case 'tei':
        return { error: message, error_type: type };
      case 'ollama':
        return { error: { message, type: 'api_error', param: null, code: null } };
      default:
        return { error: { message, type, param: null, code: null } };
    }
  }

  #limitHeaders({
    allowed,
    limit,
    remaining,
    resetMs,
    retryAfterMs,
  }: LimiterDecision): Record<string, string> {
    const announce = this.options.limit?.announce;
    if (announce === 'nothing' || announce === undefined) return {};
    const wait: Record<string, string> = allowed
      ? {}
      : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
    if (announce === 'retry-after') return wait;
    return {
      ...wait,
      'x-ratelimit-limit-requests': String(limit),
      'x-ratelimit-remaining-requests': String(remaining),
      'x-ratelimit-reset-requests': `${Math.ceil(resetMs)}ms`,
    };
  }

  #send(
    response: ServerResponse,
    status: number,
    body: unknown,
    headers: Record<string, string>,
    isGzip = false,
  ): void {
    this.#count(status);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const encoding: Record<string, string> = isGzip ? { 'content-encoding': 'gzip' } : {};
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers, ...encoding })
      .end(isGzip ? gzipSync(text) : text);
  }

  #count(status: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
  }
}

function usedBy({ inputs }: SeenRequest): number {
  return inputs.reduce((sum, text) => sum + gatewayTokens(text), 0);
}
