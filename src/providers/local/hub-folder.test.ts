import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import type { RunEvent } from '../../ports/run-events.ts';
import { hubFolder } from './hub-folder.ts';

const MODEL = 'owner/some-model';
const WEIGHTS = Buffer.alloc(300_000, 'weights ');
const MODEL_FILES: Record<string, string | Buffer> = {
  'config.json': '{"model_type":"bert"}',
  'tokenizer.json': '{"model":{}}',
  'tokenizer_config.json': '{"model_max_length":64}',
  'onnx/model_quantized.onnx': WEIGHTS,
};

let cacheFolder: string;
let requested: string[];
let answers: Record<string, string | Buffer | ((response: ServerResponse, request: IncomingMessage) => void)>;
const server = createServer((request, response) => {
  const [revision = '', ...path] = (request.url ?? '').replace('/owner/some-model/resolve/', '').split('/');
  requested.push(`${decodeURIComponent(revision)}/${path.join('/')}`);
  const answer = answers[path.join('/')];
  if (typeof answer === 'function') answer(response, request);
  else if (answer === undefined) response.writeHead(404).end();
  else response.writeHead(200, { 'content-length': Buffer.byteLength(answer) }).end(answer);
});

beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), 'vecpipe-hub-'));
  requested = [];
  answers = { ...MODEL_FILES };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(cacheFolder, { recursive: true, force: true });
});

const configWith = (changes: object = {}) => ({
  name: 'here',
  model: MODEL,
  revision: 'main',
  hub: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: null },
  cacheFolder,
  isOffline: false,
  dtype: 'q8' as const,
  ...changes,
});

async function failureOf(changes: object = {}): Promise<VecpipeError> {
  const error: unknown = await hubFolder(configWith(changes), {}).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'VecpipeError', hint: expect.any(String) as string });
  return error as VecpipeError;
}

const filesIn = async (folder: string) =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .toSorted();

test('downloads a model once, the weights last, and then asks nobody', async () => {
  const folder = await hubFolder(configWith(), {});
  expect(folder).toBe(join(cacheFolder, 'owner/some-model'));
  expect(await filesIn(folder)).toEqual([
    'config.json',
    'model_quantized.onnx',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  expect(WEIGHTS.equals(await readFile(join(folder, 'onnx/model_quantized.onnx')))).toBe(true);
  expect(requested.at(-1)).toBe('main/onnx/model_quantized.onnx');
  const count = requested.length;
  expect(await hubFolder(configWith({ isOffline: true }), {})).toBe(folder);
  expect(await hubFolder(configWith(), {})).toBe(folder);
  expect(requested).toHaveLength(count);
});

test('tells what is downloaded, all files together', async () => {
  const events: RunEvent[] = [];
  await hubFolder(configWith(), { report: (event) => events.push(event) });
  expect(events[0]).toEqual({ type: 'step', message: `Downloading model ${MODEL}` });
  const bytes = Object.values(MODEL_FILES).reduce((sum, content) => sum + Buffer.byteLength(content), 0);
  expect(events.at(-1)).toEqual({ type: 'download', model: MODEL, done: bytes, total: bytes });
  const done = events.flatMap((event) => (event.type === 'download' ? [event.done] : []));
  expect(done).toEqual(done.toSorted((one, other) => one - other));
});

test('keeps another revision, with its slashes, in a folder of its own', async () => {
  const folder = await hubFolder(configWith({ revision: 'refs/pr/1' }), {});
  expect(folder).toBe(join(cacheFolder, 'owner/some-model@refs%2Fpr%2F1'));
  expect(requested[0]).toBe('refs/pr/1/config.json');
});

test('downloads further weights into the same folder, and no file twice', async () => {
  await hubFolder(configWith(), {});
  answers['onnx/model.onnx'] = 'exact';
  requested = [];
  const folder = await hubFolder(configWith({ dtype: 'fp32' }), {});
  expect(requested).not.toContain('main/config.json');
  expect(requested).not.toContain('main/onnx/model_quantized.onnx');
  expect(await readFile(join(folder, 'onnx/model.onnx'), 'utf8')).toBe('exact');
});

test('downloads the parts of split weights before the weights', async () => {
  answers['config.json'] = JSON.stringify({ 'transformers.js_config': { use_external_data_format: true } });
  answers['onnx/model_quantized.onnx_data'] = 'much';
  await hubFolder(configWith(), {});
  expect(requested.slice(-2)).toEqual([
    'main/onnx/model_quantized.onnx_data',
    'main/onnx/model_quantized.onnx',
  ]);
});

test.each([
  [
    'is cut off',
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 1000), () => response.destroy());
    },
  ],
  [
    'has no size and just ends',
    (response: ServerResponse) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nweig`);
    },
  ],
  [
    'is a web page',
    (response: ServerResponse) => {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        .end('<html>log in first</html>');
    },
  ],
  ['is refused for now', (response: ServerResponse) => response.writeHead(503).end('busy')],
])('a file that %s leaves nothing behind, and the next open downloads it again', async (_name, answer) => {
  answers['onnx/model_quantized.onnx'] = answer;
  const error = await failureOf();
  expect(error).toMatchObject({ family: 'unavailable', code: 'model_unavailable' });
  expect(error.message).toMatch(
    /^the model owner\/some-model of provider here is not in .* and could not be/,
  );
  const folder = join(cacheFolder, MODEL);
  expect(await filesIn(folder)).toEqual(['config.json', 'tokenizer.json', 'tokenizer_config.json']);
  answers['onnx/model_quantized.onnx'] = WEIGHTS;
  await hubFolder(configWith(), {});
  expect(WEIGHTS.equals(await readFile(join(folder, 'onnx/model_quantized.onnx')))).toBe(true);
});

test('an abort in the middle of a file rejects with its reason and leaves nothing of the file', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  answers['onnx/model_quantized.onnx'] = (response) => {
    response.writeHead(200, { 'content-length': WEIGHTS.length });
    response.write(WEIGHTS.subarray(0, 1000), () => controller.abort(reason));
  };
  await expect(hubFolder(configWith(), { signal: controller.signal })).rejects.toBe(reason);
  expect(await filesIn(join(cacheFolder, MODEL))).not.toContain('model_quantized.onnx');
  expect((await filesIn(join(cacheFolder, MODEL))).filter((name) => name.endsWith('.part'))).toEqual([]);
});

test('removes what a killed process left of a file, but not what another one is writing', async () => {
  await hubFolder(configWith(), {});
  const parts = ['onnx/old.onnx.1-aa.part', 'onnx/new.onnx.2-bb.part'].map((name) =>
    join(cacheFolder, MODEL, name),
  );
  for (const part of parts) await writeFile(part, 'half');
  await utimes(parts[0]!, new Date(0), new Date(0));
  answers['onnx/model.onnx'] = 'exact';
  await hubFolder(configWith({ dtype: 'fp32' }), {});
  expect(parts.map((part) => existsSync(part))).toEqual([false, true]);
});

test('without network and cache there is one sentence with three ways out', async () => {
  const error = await failureOf({ hub: { url: 'http://127.0.0.1:9', token: null } });
  expect(error).toMatchObject({ family: 'unavailable', code: 'model_unavailable' });
  expect(error.message).toMatch(/could not be downloaded from http:\/\/127\.0\.0\.1:9: [^\n]+$/);
  expect(error.hint).toMatch(/a folder .* another provider, .* the static one/);
});

test('offline, the hub is never asked', async () => {
  const error = await failureOf({ isOffline: true });
  expect(error).toMatchObject({ family: 'unavailable', code: 'model_unavailable' });
  expect(error.message).toContain('`offline` keeps it from being downloaded');
  expect(requested).toEqual([]);
});

test('a model or weights that the hub does not have are a mistake of the config', async () => {
  expect(await failureOf({ dtype: 'q4' })).toMatchObject({
    family: 'usage',
    code: 'model_not_found',
    message: 'the model owner/some-model has no onnx/model_q4.onnx at the hub in revision main',
    hint: expect.stringContaining('dtype') as string,
  });
  answers = {};
  expect((await failureOf()).code).toBe('model_not_found');
  expect((await failureOf({ model: '../elsewhere' })).message).toContain('is no id of the model hub');
});

test('a model behind a login wants a token, which is sent and never shown', async () => {
  const seen: (string | undefined)[] = [];
  answers['config.json'] = (response, request) => {
    seen.push(request.headers.authorization);
    response.writeHead(401).end();
  };
  expect(await failureOf()).toMatchObject({
    code: 'model_not_found',
    hint: expect.stringContaining('HF_TOKEN') as string,
  });
  const { hub } = configWith();
  const error = await failureOf({ hub: { ...hub, token: 'hf_secret' } });
  expect(seen).toEqual([undefined, 'Bearer hf_secret']);
  expect(`${error.message} ${error.hint}`).not.toContain('hf_secret');
});
