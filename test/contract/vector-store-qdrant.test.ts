import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openQdrantStore } from '../../src/stores/qdrant/qdrant-store.ts';
import { noQdrantServer, startQdrantServer, type QdrantServerOptions } from '../helpers/qdrant-server.ts';
import { makePoint, uuidOf } from './vector-store-points.ts';

const north = Float32Array.of(1, 0, 0, 0);

/** A private Qdrant that ends with the test. */
async function privateServer(options: QdrantServerOptions = {}) {
  const server = await startQdrantServer(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function openStore(
  url: string,
  options: Parameters<typeof openQdrantStore>[1] & { apiKey?: string } = {},
) {
  const store = await openQdrantStore({ url, apiKey: options.apiKey ?? null }, options);
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A web server that is not Qdrant, or one that misbehaves. */
function serve(listener: RequestListener): Promise<string> {
  return listen(createServer(listener));
}

/** Answers what Qdrant answers to an opening store, and leaves the rest to `answer`. */
function almostQdrant(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  return serve((request, response) => {
    request.resume();
    if (request.url === '/')
      json(response, 200, { title: 'qdrant - vector search engine', version: '1.18.2' });
    else if (request.url === '/aliases')
      json(response, 200, { result: { aliases: [] }, status: 'ok', time: 0 });
    else answer(request, response);
  });
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Sockets, look-ups and timers that keep the process alive. */
function resources(): string[] {
  const kinds = /TCPSocket|TLS|Timeout|ConnectWrap|GetAddrInfo/;
  return process.getActiveResourcesInfo().filter((name) => kinds.test(name));
}

/** Expects nothing more than before; the test runner's own timers and an earlier test's sockets may have gone. */
async function expectNothingLeft(before: string[]): Promise<void> {
  // A closed socket leaves the list a turn or two later.
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  const rest = [...before];
  const added = resources().filter((name) => {
    const at = rest.indexOf(name);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  expect(added).toEqual([]);
}

const withServer = noQdrantServer === null ? describe : describe.skip;

withServer('over a Qdrant that fails', () => {
  test('every method works although every third request is refused', async () => {
    const { url } = await privateServer({ failRate: 0.33, faultSeed: 1 });
    await workThrough(url);
  });

  test('every method works although every third answer is lost after the request was carried out', async () => {
    const { url } = await privateServer({ failRate: 0.33, failAfter: true, faultSeed: 2 });
    await workThrough(url);
  });

  async function workThrough(url: string): Promise<void> {
    const store = await openStore(url);
    for (const generation of [1, 2, 3]) {
      const collection = `points__${generation}`;
      await store.createCollection(collection, 4);
      for (let batch = 0; batch < 5; batch++) {
        await store.upsert(collection, [makePoint(batch * 2), makePoint(batch * 2 + 1)]);
      }
      expect(await store.setPayload(collection, [makePoint(1, { a: 1 }), makePoint(77)])).toEqual([
        uuidOf(77),
      ]);
      await store.deleteChunks(collection, [{ tenant: '1', entity: 'projects', key: '0', fromChunk: 0 }]);
      await store.deletePoints(collection, [uuidOf(0), '7']);
      await store.setAlias('points', collection);
      expect(await store.resolveAlias('points')).toBe(collection);
      expect(await store.count(collection)).toBe(9);
      expect(await store.search('points', north, { limit: 3 })).toHaveLength(3);
      if (generation > 1) await store.deleteCollection(`points__${generation - 1}`);
    }
    const page = await store.scroll('points__3', { limit: 100 });
    const expected = Array.from({ length: 9 }, (_, index) => uuidOf(index + 1)).toSorted();
    expect(page.map(({ id }) => id)).toEqual(expected);
    expect(page.find(({ id }) => id === uuidOf(1))?.payload).toEqual(makePoint(1, { a: 1 }).payload);
    expect(await store.describeCollection('points__1')).toBeNull();
  }

  test('a write waits for a server that is started again, and is stored', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vecpipe-qdrant-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const first = await privateServer({ folder });
    const store = await openStore(first.url);
    await store.createCollection('points', 4);
    await store.upsert('points', [makePoint(1)]);
    await first.kill();
    const writing = store.upsert('points', [makePoint(2)]);
    await privateServer({ folder, port: first.port });
    await writing;
    expect(await store.count('points')).toBe(2);
  });

  test('a collection whose creation was interrupted gets the indexes that it lacks', async () => {
    const { url } = await privateServer();
    const store = await openStore(url);
    const settings = { vectors: { size: 4, distance: 'Cosine' } };
    await fetch(`${url}/collections/half`, { method: 'PUT', body: JSON.stringify(settings) });
    await store.createCollection('half', 4);
    const answer = await fetch(`${url}/collections/half`);
    const { result } = (await answer.json()) as { result: { payload_schema: Record<string, unknown> } };
    expect(result.payload_schema).toMatchObject({
      'vecpipe.tenant': { data_type: 'keyword', params: { type: 'keyword', is_tenant: true } },
      'vecpipe.entity': { data_type: 'keyword' },
      'vecpipe.key': { data_type: 'keyword' },
    });
  });

  test.each([
    ['another distance', { size: 4, distance: 'Dot' }, 'does not compare vectors by cosine'],
    ['named vectors', { text: { size: 4, distance: 'Cosine' } }, 'has named vectors'],
  ])('a collection with %s is not written to', async (_name, vectors, message) => {
    const { url } = await privateServer();
    const store = await openStore(url);
    await fetch(`${url}/collections/foreign`, { method: 'PUT', body: JSON.stringify({ vectors }) });
    await expect(store.createCollection('foreign', 4)).rejects.toMatchObject({
      family: 'usage',
      code: 'collection_foreign',
      message: expect.stringContaining(message),
    });
  });

  test('points that something else wrote are read as they are, numbers as ids first', async () => {
    const { url } = await privateServer();
    const store = await openStore(url);
    await store.createCollection('points', 4);
    const write = (points: unknown[]) =>
      fetch(`${url}/collections/points/points?wait=true`, {
        method: 'PUT',
        body: JSON.stringify({ points }),
      });
    await write([{ id: uuidOf(1), vector: [1, 0, 0, 0] }]);
    expect(await store.scroll('points', { limit: 9 })).toEqual([{ id: uuidOf(1), payload: {} }]);
    // JSON.stringify would round the largest; 2 before 10 is no order of texts.
    const numbers = ['0', '2', '10', '9007199254740993', '18446744073709551615'];
    const points = numbers.map((id) => `{"id":${id},"payload":{"n":"${id}"},"vector":[1,0,0,0]}`);
    await fetch(`${url}/collections/points/points?wait=true`, {
      method: 'PUT',
      body: `{"points":[${points.join(',')}]}`,
    });
    const all = [...numbers, uuidOf(1)];
    for (const limit of [1, 2, 9]) {
      const ids: string[] = [];
      for (;;) {
        const after = ids.at(-1);
        const page = await store.scroll('points', { limit, ...(after === undefined ? {} : { after }) });
        ids.push(...page.map(({ id }) => id));
        if (page.length < limit) break;
      }
      expect(ids).toEqual(all);
    }
    const found = await store.retrieve('points', [...numbers, '3']);
    expect(found.map(({ id, payload }) => [id, payload['n']])).toEqual(
      expect.arrayContaining(numbers.map((id) => [id, id])),
    );
    expect((await store.search('points', north, { limit: 9 })).map(({ id }) => id).toSorted()).toEqual(
      all.toSorted(),
    );
    await store.deletePoints('points', ['2', '18446744073709551615', '77']);
    expect((await store.scroll('points', { limit: 9 })).map(({ id }) => id)).toEqual([
      '0',
      '10',
      '9007199254740993',
      uuidOf(1),
    ]);
  });

  test('a collection made like another has its tuning', async () => {
    const { url } = await privateServer();
    const store = await openStore(url);
    const settings = {
      vectors: { size: 4, distance: 'Cosine', on_disk: true, hnsw_config: { ef_construct: 64 } },
      hnsw_config: { m: 32 },
      optimizers_config: { indexing_threshold: 5000, default_segment_number: 3 },
      quantization_config: { scalar: { type: 'int8', always_ram: true } },
      on_disk_payload: false,
      shard_number: 2,
      replication_factor: 2,
      write_consistency_factor: 2,
    };
    await fetch(`${url}/collections/tuned`, { method: 'PUT', body: JSON.stringify(settings) });
    await store.createCollection('next', 6, { like: 'tuned' });
    const { shard_number, replication_factor, write_consistency_factor, on_disk_payload } = settings;
    const { hnsw_config, quantization_config, optimizers_config } = settings;
    expect(await configOf(url, 'next')).toMatchObject({
      params: {
        vectors: { ...settings.vectors, size: 6 },
        shard_number,
        replication_factor,
        write_consistency_factor,
        on_disk_payload,
      },
      hnsw_config: { ...hnsw_config, ef_construct: 100 },
      optimizer_config: optimizers_config,
      quantization_config,
    });
    expect(await configOf(url, 'tuned')).toMatchObject({ params: { vectors: settings.vectors } });
    await expect(store.createCollection('other', 4, { like: 'untuned' })).rejects.toMatchObject({
      code: 'collection_missing',
    });
    expect(await store.listCollections()).toEqual(['next', 'tuned']);
  });

  test('a load puts off the index and nothing else', async () => {
    const { url } = await privateServer();
    const store = await openStore(url);
    await store.createCollection('points', 4);
    const before = await configOf(url, 'points');
    const settings = await store.readLoadSettings('points');
    await store.beginLoad('points');
    expect(await configOf(url, 'points')).toEqual({
      ...before,
      optimizer_config: { ...(before['optimizer_config'] as object), indexing_threshold: 0 },
    });
    await store.endLoad('points', settings ?? {});
    expect(await configOf(url, 'points')).toEqual(before);
    // Null is what Qdrant tells where nothing is set, and cannot be set again.
    await store.endLoad('points', { indexing_threshold: null });
    expect((await configOf(url, 'points'))['optimizer_config']).toMatchObject({ indexing_threshold: 10_000 });
  });

  async function configOf(url: string, collection: string): Promise<Record<string, unknown>> {
    const answer = await fetch(`${url}/collections/${collection}`);
    return ((await answer.json()) as { result: { config: Record<string, unknown> } }).result.config;
  }

  test('a name that Qdrant does not take is a usage error in its words', async () => {
    const { url } = await privateServer();
    const store = await openStore(url);
    await expect(store.createCollection('a/b', 4)).rejects.toMatchObject({
      family: 'usage',
      code: 'store_refused',
      message: expect.stringContaining('cannot contain'),
    });
  });

  test('a point larger than Qdrant takes is named, without its text', async () => {
    const { url } = await privateServer();
    const store = await openStore(url);
    await store.createCollection('points', 4);
    const large = makePoint(1, { text: 'secret '.repeat(5_000_000) });
    const refusal = {
      family: 'usage',
      code: 'point_too_large',
      message: expect.stringContaining('projects VEC-1'),
    };
    await expect(store.upsert('points', [makePoint(2), large])).rejects.toMatchObject(refusal);
    await expect(store.setPayload('points', [large])).rejects.toMatchObject(refusal);
    await expect(store.upsert('points', [large])).rejects.not.toThrow('secret');
  });

  describe('with a key', () => {
    test('the right key opens it, and is not in what the store says', async () => {
      const { url } = await privateServer({ apiKey: 'the-key' });
      const store = await openStore(`${url}/?api_key=no#x`, { apiKey: 'the-key' });
      await store.createCollection('points', 4);
      expect(store.location).toBe(`qdrant ${url}`);
    });

    test.each([
      ['no key', undefined, 'asks for an API key, and QDRANT_API_KEY is not set'],
      ['a wrong key', 'not-the-key', 'refuses the API key from QDRANT_API_KEY'],
    ])('%s is a usage error that names the variable', async (_name, apiKey, message) => {
      const { url } = await privateServer({ apiKey: 'the-key' });
      const opening = openQdrantStore({ url, apiKey: apiKey ?? null });
      await expect(opening).rejects.toMatchObject({ family: 'usage', code: 'store_unauthorized' });
      await expect(opening).rejects.toThrow(`Qdrant at ${url} ${message}`);
      await expect(opening).rejects.not.toThrow('not-the-key');
    });
  });

  test('an abort in the middle of a request rejects at once, and the store goes on', async () => {
    const { url } = await privateServer({ latencyMs: 300 });
    const store = await openStore(url);
    await store.createCollection('points', 4);
    const controller = new AbortController();
    const writing = store.upsert('points', [makePoint(1)], { signal: controller.signal });
    const startedAt = performance.now();
    controller.abort(new Error('asked to stop'));
    await expect(writing).rejects.toThrow('asked to stop');
    expect(performance.now() - startedAt).toBeLessThan(200);
    await store.upsert('points', [makePoint(2)]);
    expect(await store.retrieve('points', [uuidOf(2)])).toHaveLength(1);
  });

  test('an abort ends the pause before another attempt', async () => {
    const server = await privateServer();
    const store = await openStore(server.url);
    await server.kill();
    const controller = new AbortController();
    const counting = store.count('points', { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('asked to stop')), 1000);
    await expect(counting).rejects.toThrow('asked to stop');
  });

  test('disposal ends what is under way and leaves no socket and no timer', async () => {
    const { url } = await privateServer({ latencyMs: 300 });
    const before = resources();
    const store = await openQdrantStore({ url, apiKey: null });
    await store.createCollection('points', 4);
    await Promise.all(Array.from({ length: 20 }, () => store.count('points')));
    expect(resources().length).toBeGreaterThan(before.length);
    const left = store.count('points');
    await Promise.all([store[Symbol.asyncDispose](), expect(left).rejects.toThrow('closed')]);
    await expectNothingLeft(before);
  });

  test('many requests at once share a bounded number of connections', async () => {
    const { url } = await privateServer({ latencyMs: 20 });
    const store = await openStore(url);
    await store.createCollection('points', 4);
    const before = resources().length;
    const counting = Promise.all(Array.from({ length: 200 }, () => store.count('points')));
    await counting;
    expect(resources().length - before).toBeLessThanOrEqual(32);
  });
});

test('a key that cannot be sent is a usage error that does not repeat it', async () => {
  const opening = openQdrantStore({ url: 'http://127.0.0.1:6333', apiKey: 'the-key\n' });
  await expect(opening).rejects.toMatchObject({ family: 'usage', code: 'store_key_invalid' });
  await expect(opening).rejects.not.toThrow('the-key');
});

describe('over something that does not answer', () => {
  test('a refused connection is one sentence, after about a second', async () => {
    const server = createTcpServer();
    const url = await listen(server);
    await new Promise((resolve) => {
      server.close(resolve);
    });
    const before = resources();
    const startedAt = performance.now();
    await expect(openQdrantStore({ url, apiKey: null })).rejects.toMatchObject({
      family: 'unavailable',
      code: 'store_unreachable',
      message: `cannot reach Qdrant at ${url} (QDRANT_URL): connection refused`,
    });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    await expectNothingLeft(before);
  });

  test('a host that does not exist is named as that', async () => {
    const opening = openQdrantStore({ url: 'http://qdrant.invalid:6333', apiKey: null });
    await expect(opening).rejects.toMatchObject({ code: 'store_unreachable' });
    await expect(opening).rejects.toThrow(/the host name (is not known|cannot be looked up)/);
  });

  test('a server that accepts and says nothing runs into the deadline', async () => {
    const url = await serve(() => {});
    const before = resources();
    await expect(openQdrantStore({ url, apiKey: null }, { deadlineMs: 400 })).rejects.toMatchObject({
      code: 'store_unreachable',
      message: `cannot reach Qdrant at ${url} (QDRANT_URL): no answer within 0.4 s`,
    });
    await expectNothingLeft(before);
  });

  test('a server that says nothing is asked again before the deadline', async () => {
    let requests = 0;
    const url = await serve(() => requests++);
    await expect(
      openQdrantStore({ url, apiKey: null }, { deadlineMs: 20_000, answerTimeoutMs: 100 }),
    ).rejects.toThrow('no answer in time');
    expect(requests).toBe(4);
  });

  test('an answer that stops half-way is an error too', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"title":');
    });
    await expect(
      openQdrantStore({ url, apiKey: null }, { deadlineMs: 20_000, answerTimeoutMs: 100 }),
    ).rejects.toThrow('its answer stopped half-way');
  });

  test.each(['http', 'https'])('an abort is prompt while a connection hangs: %s', async (scheme) => {
    // Over https the handshake never ends, so that undici has no connection yet.
    const url = (await listen(createTcpServer())).replace('http', scheme);
    const before = resources();
    const controller = new AbortController();
    const opening = openQdrantStore({ url, apiKey: null }, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('asked to stop')), 200);
    const startedAt = performance.now();
    await expect(opening).rejects.toThrow('asked to stop');
    expect(performance.now() - startedAt).toBeLessThan(1000);
    // The other end is in this process too, and stays open until the test has ended.
    await expectNothingLeft([...before, 'TCPSocketWrap']);
  });
});

describe('over something that is not Qdrant', () => {
  test.each<[string, RequestListener]>([
    [
      'a web page',
      (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    ],
    [
      'a page that is not found',
      (_request, response) => response.writeHead(404).end('<html>Not found</html>'),
    ],
    [
      'another JSON',
      (_request, response) => json(response, 200, { name: 'es', version: { number: '9.0.0' } }),
    ],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'https://example.org' }).end(),
    ],
    [
      "Qdrant's greeting alone",
      (request, response) =>
        request.url === '/'
          ? json(response, 200, { title: 'qdrant - vector search engine', version: '1.18.2' })
          : json(response, 200, { aliases: [] }),
    ],
  ])('%s is a usage error', async (_name, listener) => {
    const url = await serve(listener);
    const before = resources();
    await expect(openQdrantStore({ url, apiKey: null })).rejects.toMatchObject({
      family: 'usage',
      code: 'store_not_qdrant',
      message: expect.stringContaining(`what answers at ${url} (QDRANT_URL) is not Qdrant's REST API`),
      hint: expect.stringContaining('6333'),
    });
    await expectNothingLeft(before);
  });

  test('another protocol is a usage error', async () => {
    const server = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
    const opening = openQdrantStore({ url: await listen(server), apiKey: null });
    await expect(opening).rejects.toMatchObject({ family: 'usage', code: 'store_not_qdrant' });
  });

  test('https to a plain server is a usage error that says so', async () => {
    const url = (await serve((_request, response) => response.end())).replace('http', 'https');
    await expect(openQdrantStore({ url, apiKey: null })).rejects.toMatchObject({
      family: 'usage',
      code: 'store_tls',
      hint: 'write http:// instead of https://',
    });
  });

  test('an old Qdrant is a usage error that tells both versions', async () => {
    const url = await serve((_request, response) =>
      json(response, 200, { title: 'qdrant - vector search engine', version: '1.9.7' }),
    );
    await expect(openQdrantStore({ url, apiKey: null })).rejects.toMatchObject({
      code: 'store_too_old',
      message: `Qdrant at ${url} (QDRANT_URL) is version 1.9.7, and vecpipe needs 1.11.0 or newer`,
    });
  });
});

describe('over a Qdrant that answers strangely', () => {
  const point = makePoint(1);

  test.each(['acknowledged', 'wait_timeout'])('an update that is %s is not stored', async (status) => {
    const url = await almostQdrant((request, response) => {
      const update = { operation_id: 1, status };
      const result = request.url?.includes('/batch') ? [update] : update;
      json(response, 200, { result, status: 'ok', time: 0 });
    });
    const store = await openStore(url);
    const expected = { family: 'unavailable', code: 'store_not_confirmed' };
    await expect(store.upsert('points', [point])).rejects.toMatchObject(expected);
    await expect(store.setPayload('points', [point])).rejects.toMatchObject(expected);
    const row = { tenant: '1', entity: 'projects', key: '1', fromChunk: 0 };
    await expect(store.deleteChunks('points', [row])).rejects.toMatchObject(expected);
  });

  test('a batch with fewer confirmations than operations is not believed', async () => {
    const url = await almostQdrant((_request, response) =>
      json(response, 200, { result: [{ operation_id: 1, status: 'completed' }], status: 'ok', time: 0 }),
    );
    const store = await openStore(url);
    await expect(store.setPayload('points', [point, makePoint(2)])).rejects.toMatchObject({
      code: 'store_not_qdrant',
    });
  });

  test.each<[string, unknown]>([
    ['no points', {}],
    ['points without ids', { points: [{ payload: {} }] }],
    ['points out of order', { points: [{ id: uuidOf(1) }, { id: uuidOf(1) }] }],
    ['a payload that is a list', { points: [{ id: uuidOf(1), payload: [] }] }],
    ['a vector that is text', { points: [{ id: uuidOf(1), payload: {}, vector: 'x' }] }],
    ['a vector with a hole', { points: [{ id: uuidOf(1), payload: {}, vector: [1, null] }] }],
  ])('a page of %s is not believed', async (_name, result) => {
    const url = await almostQdrant((_request, response) =>
      json(response, 200, { result, status: 'ok', time: 0 }),
    );
    const store = await openStore(url);
    await expect(store.scroll('points', { limit: 9 })).rejects.toMatchObject({ code: 'store_not_qdrant' });
  });

  test('a busy server is asked again when it said', async () => {
    const times: number[] = [];
    const url = await almostQdrant((_request, response) => {
      times.push(performance.now());
      if (times.length === 1) json(response, 429, { status: { error: 'slow down' } }, { 'retry-after': '1' });
      else json(response, 200, { result: { count: 3 }, status: 'ok', time: 0 });
    });
    const store = await openStore(url);
    expect(await store.count('points')).toBe(3);
    expect(times).toHaveLength(2);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
  });

  test('a server that asks for more time than there is, is not waited for', async () => {
    const url = await almostQdrant((_request, response) =>
      json(response, 503, { status: { error: 'overloaded' } }, { 'retry-after': '3600' }),
    );
    const store = await openStore(url);
    await expect(store.count('points')).rejects.toMatchObject({
      family: 'unavailable',
      code: 'store_unreachable',
      message: `cannot reach Qdrant at ${url} (QDRANT_URL): it answered 503: overloaded`,
    });
  });

  test('what it refuses is asked once, and a format error does not repeat the row', async () => {
    let requests = 0;
    const url = await almostQdrant((_request, response) => {
      requests++;
      const error = 'Format error in JSON body: invalid type: string "secret row text", expected f32';
      json(response, 400, { status: { error }, time: 0 });
    });
    const store = await openStore(url);
    await expect(store.upsert('points', [point])).rejects.toMatchObject({
      family: 'usage',
      code: 'store_refused',
      message: `Qdrant at ${url} refused to store points in the collection points (400)`,
    });
    expect(requests).toBe(1);
  });

  test('a proxy that takes small bodies only is told from Qdrant', async () => {
    const url = await almostQdrant((_request, response) =>
      response.writeHead(413, { 'content-type': 'text/html' }).end('<html>413</html>'),
    );
    const store = await openStore(url);
    await expect(store.upsert('points', [point])).rejects.toMatchObject({ code: 'store_refuses_size' });
  });

  test('a connection that is cut is made anew', async () => {
    let requests = 0;
    const url = await almostQdrant((request, response) => {
      requests++;
      if (requests < 3) request.socket.destroy();
      else json(response, 200, { result: { count: 3 }, status: 'ok', time: 0 });
    });
    const store = await openStore(url);
    expect(await store.count('points')).toBe(3);
    expect(requests).toBe(3);
  });

  test('a path before the paths of Qdrant is kept', async () => {
    const paths: string[] = [];
    const url = await serve((request, response) => {
      paths.push(request.url ?? '');
      if (request.url === '/vectors/') json(response, 200, { title: 'qdrant', version: '1.18.2' });
      else json(response, 200, { result: { aliases: [] }, status: 'ok', time: 0 });
    });
    const store = await openStore(`${url}/vectors/`);
    expect(store.location).toBe(`qdrant ${url}/vectors`);
    expect(paths).toEqual(['/vectors/', '/vectors/aliases']);
  });

  test('a grey collection is woken, a green one left alone', async () => {
    const seen: string[] = [];
    let status = 'green';
    const url = await almostQdrant((request, response) => {
      seen.push(request.method ?? '');
      const config = { params: { vectors: { size: 4, distance: 'Cosine' } } };
      const result = request.method === 'PATCH' ? true : { status, config, payload_schema: {} };
      json(response, 200, { result, status: 'ok', time: 0 });
    });
    const store = await openStore(url);
    await store.finishLoad('points');
    expect(seen).toEqual(['GET']);
    status = 'grey';
    await store.finishLoad('points');
    expect(seen).toEqual(['GET', 'GET', 'PATCH']);
  });

  /** Tells these states of a collection in turn, the last one for ever. */
  async function storeWithStates(states: { status: string; optimizer_status?: unknown }[]) {
    const seen: string[] = [];
    const url = await almostQdrant((request, response) => {
      seen.push(request.method ?? '');
      const state = states[Math.min(seen.filter((method) => method === 'GET').length, states.length) - 1];
      const config = { params: { vectors: { size: 4, distance: 'Cosine' } } };
      const result = request.method === 'PATCH' ? true : { ...state, config, payload_schema: {} };
      json(response, 200, { result, status: 'ok', time: 0 });
    });
    return { store: await openStore(url), seen };
  }

  test('a load is waited for until the collection is green', async () => {
    const { store, seen } = await storeWithStates([
      { status: 'grey', optimizer_status: 'ok' },
      { status: 'yellow', optimizer_status: 'ok' },
      { status: 'green', optimizer_status: 'ok' },
    ]);
    await store.finishLoad('points', { waits: true });
    expect(seen).toEqual(['GET', 'PATCH', 'GET', 'GET']);
  });

  test('an optimiser that failed is told from one that works', async () => {
    const error = 'Service internal error: No space left on device';
    const { store } = await storeWithStates([
      { status: 'yellow' },
      { status: 'red', optimizer_status: { error } },
    ]);
    await expect(store.finishLoad('points', { waits: true })).rejects.toMatchObject({
      family: 'unavailable',
      code: 'store_not_optimized',
      message: expect.stringContaining(`failed to optimise the collection points: ${error}`),
    });
  });

  test('an abort ends the wait for a load', async () => {
    const { store, seen } = await storeWithStates([{ status: 'yellow' }]);
    const controller = new AbortController();
    const waiting = store.finishLoad('points', { waits: true, signal: controller.signal });
    await expect.poll(() => seen.length).toBeGreaterThan(1);
    controller.abort(new Error('asked to stop'));
    await expect(waiting).rejects.toThrow('asked to stop');
  });
});
