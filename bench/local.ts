/**
 * How fast the local provider embeds with all-MiniLM-L6-v2 in int8, beside the bare ONNX session and beside what
 * everybody writes: `npm run build && npx jiti bench/local.ts`. Ratios hold from machine to machine, absolute figures
 * do not; the machine must be quiet, since all of its cores are used.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { pipeline } from '@xenova/transformers';
import type { EmbeddingProvider } from '../src/ports/embedding-provider.ts';
import type * as LocalProviderModule from '../src/providers/local/local-provider.ts';
import { built } from './built.ts';
import { localConfig } from '../test/helpers/provider-configs.ts';

export interface LocalResult {
  texts: number;
  tokensPerText: number;
  /** Texts a second through `embed`, as the pipeline calls it; the median of the rounds, as all of them. */
  textsPerSecond: number;
  /** The runtime's own session on ready tensors, perfectly sorted, in as many threads; nothing else is done. */
  bareTextsPerSecond: number;
  /** Texts a batch that the bare session is fastest with. */
  bareBatch: number;
  /** transformers.js' pipeline in batches of 32 in the order of the input. */
  naiveTextsPerSecond: number;
  ratioToBare: number;
  ratioToNaive: number;
  /** Of the main thread while it embeds, 99th percentile. */
  eventLoopDelayMs: number;
}

const MODEL = fileURLToPath(new URL('../../shared/models/all-MiniLM-L6-v2', import.meta.url));
const TEXTS = 1024;
const ROUNDS = 3;
const NAIVE_BATCH = 32;
/** Enough for a rate: it takes several times as long. */
const NAIVE_TEXTS = 256;
const BARE_BATCHES = [8, 16, 32];
const CONFIG = localConfig({ name: 'bench', model: MODEL, modelFrom: 'folder', isOffline: true });

/** Null, and a line that says so, where the model is not beside the repository. */
export async function benchLocal(): Promise<LocalResult | null> {
  if (!existsSync(MODEL)) {
    console.log('left out: the local provider, because all-MiniLM-L6-v2 is not beside the repository');
    return null;
  }
  const texts = mixedTexts(TEXTS);
  const { openLocalProvider } = await built<typeof LocalProviderModule>('providers/local/local-provider.js');
  const provider = await openLocalProvider(CONFIG);
  const tokens = texts.map((text) => provider.tokenizer.count(text));
  const bare = await openBareSessions();
  const naive = await pipeline('feature-extraction', MODEL, { dtype: 'q8', local_files_only: true });
  try {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const own: number[] = [];
    const bares = new Map<number, number[]>(BARE_BATCHES.map((batch) => [batch, []]));
    const naives: number[] = [];
    // In turns, so that a machine that slows down does so for all. The first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      if (round === 1) delay.reset();
      delay.enable();
      const ownMs = await timed(() => embedAll(provider, texts));
      delay.disable();
      for (const [batch, rates] of bares) rates.push(rate(await timed(() => bare.run(tokens, batch))));
      const naiveMs = await timed(async () => {
        for (let start = 0; start < NAIVE_TEXTS; start += NAIVE_BATCH) {
          await naive(texts.slice(start, start + NAIVE_BATCH), { pooling: 'mean', normalize: true });
        }
      });
      own.push(rate(ownMs));
      naives.push(rate(naiveMs, NAIVE_TEXTS));
    }
    const [bareBatch, bareRates] = [...bares]
      .toSorted(([, one], [, other]) => median(other) - median(one))
      .at(0) ?? [0, []];
    return {
      texts: texts.length,
      tokensPerText: round1(tokens.reduce((sum, count) => sum + count, 0) / texts.length),
      textsPerSecond: Math.round(median(own)),
      bareTextsPerSecond: Math.round(median(bareRates)),
      bareBatch,
      naiveTextsPerSecond: Math.round(median(naives)),
      ratioToBare: ratio(median(own), median(bareRates)),
      ratioToNaive: ratio(median(own), median(naives)),
      eventLoopDelayMs: round1(delay.percentile(99) / 1e6),
    };
  } finally {
    await naive.dispose();
    await bare.close();
    await provider[Symbol.asyncDispose]();
  }
}

/** As the pipeline of a run does it: calls of the provider's size, as many at once as it allows. */
async function embedAll(provider: EmbeddingProvider, texts: readonly string[]): Promise<void> {
  let next = 0;
  const caller = async () => {
    for (let start = next; start < texts.length; start = next) {
      next = start + provider.maxBatchSize;
      await provider.embed(texts.slice(start, next));
    }
  };
  await Promise.all(Array.from({ length: provider.maxConcurrency }, caller));
}

/** One thread a core, each with the runtime's session and one computing thread, which is the best arrangement known. */
async function openBareSessions() {
  const threads = Array.from({ length: availableParallelism() }, () => {
    const worker = new Worker(BARE_SCRIPT, {
      eval: true,
      workerData: {
        runtime: createRequire(import.meta.url).resolve('onnxruntime-node'),
        weights: `${MODEL}/onnx/model_quantized.onnx`,
      },
    });
    return worker;
  });
  await Promise.all(threads.map(answered));
  return {
    /** Runs batches of that many texts of these lengths, sorted; the threads take them from one list. */
    async run(tokens: readonly number[], batch: number): Promise<void> {
      // Two special tokens a text.
      const lengths = tokens.map((count) => count + 2).toSorted((one, other) => other - one);
      const next = new Int32Array(new SharedArrayBuffer(4));
      await Promise.all(
        threads.map((worker) => {
          const done = answered(worker);
          worker.postMessage({ lengths, batch, next }, []);
          return done;
        }),
      );
    },
    async close(): Promise<void> {
      await Promise.all(threads.map((worker) => worker.terminate()));
    },
  };
}

const BARE_SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads');
const { InferenceSession, Tensor } = require(workerData.runtime);
const opening = InferenceSession.create(workerData.weights, { intraOpNumThreads: 1, interOpNumThreads: 1 });
parentPort.on('message', async ({ lengths, batch, next }) => {
  const session = await opening;
  for (;;) {
    const start = Atomics.add(next, 0, batch);
    if (start >= lengths.length) break;
    const part = lengths.slice(start, start + batch);
    const width = part[0];
    const shape = [part.length, width];
    const mask = new BigInt64Array(part.length * width);
    part.forEach((length, text) => mask.fill(1n, text * width, text * width + length));
    await session.run({
      input_ids: new Tensor('int64', new BigInt64Array(mask.length).fill(2000n), shape),
      attention_mask: new Tensor('int64', mask, shape),
      token_type_ids: new Tensor('int64', new BigInt64Array(mask.length), shape),
    });
  }
  parentPort.postMessage('done');
});
opening.then(() => parentPort.postMessage('ready'));
`;

function answered(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', () => {
      worker.off('error', reject);
      resolve();
    });
    worker.once('error', reject);
  });
}

const WORDS =
  `the of and a to in is for with on that by this as an from client server library data model fast simple
small tool parser command line framework utility plugin wrapper module package stream file system configuration async
validation request response database query search index vector text token engine runtime compiler bundler tests mock
types schema cache queue worker thread process memory network protocol security authentication logging metrics`.split(
    /\s+/,
  );

/** Texts as rows have them: most of a line, some of a paragraph. A log-normal number of words around twelve. */
function mixedTexts(count: number): string[] {
  const random = seededRandom(17);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: count }, () => {
    const words = Math.max(2, Math.min(200, Math.round(12 * Math.exp(0.8 * normal()))));
    return Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
  });
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function rate(milliseconds: number, texts: number = TEXTS): number {
  return (texts / milliseconds) * 1000;
}

/** Of the rounds after the first. */
function median(values: readonly number[]): number {
  const counted = values.slice(1).toSorted((one, other) => one - other);
  return counted[Math.floor(counted.length / 2)] ?? Number.NaN;
}

function ratio(one: number, other: number): number {
  return Math.round((one / other) * 100) / 100;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await benchLocal(), null, 2));
}
