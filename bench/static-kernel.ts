/**
 * How fast the shipped static model embeds, beside the tokenizer library doing nothing but tokenising the same
 * texts: `npx jiti bench/static-kernel.ts`. Ratios hold from machine to machine, absolute figures do not.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import type * as OpenProvider from '../src/providers/open-provider.ts';
import { staticConfig } from '../test/helpers/provider-configs.ts';

export interface StaticKernelResult {
  name: string;
  /** `source` runs through a TypeScript loader, which costs about half: `npm run build` first. */
  code: 'built' | 'source';
  texts: number;
  tokensPerText: number;
  /** Through `embed`, in batches of the provider's size, on one core; the median of the rounds. */
  textsPerSecond: number;
  /** @huggingface/tokenizers, texts to ids and no further. */
  libraryTokenizerTextsPerSecond: number;
  /** The first over the second. */
  ratio: number;
  /** The first opening, cold, and the median of later ones. */
  firstOpenMs: number;
  openMs: number;
}

const MODEL = staticConfig();
const TEXTS = 20_000;
/** Enough for a rate; the library takes several times as long. */
const LIBRARY_TEXTS = 4000;
const ROUNDS = 5;

export async function benchStaticKernel(): Promise<StaticKernelResult> {
  const { code, openProvider } = await loadProviders();
  const firstOpenMs = await timed(async () => {
    await using _provider = await openProvider(MODEL);
  });
  const openTimes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    openTimes.push(
      await timed(async () => {
        await using _provider = await openProvider(MODEL);
      }),
    );
  }

  await using provider = await openProvider(MODEL);
  const tokenizerFile = readTokenizerFile();
  const library = new LibraryTokenizer(tokenizerFile, {});
  const texts = summaries(Object.keys(tokenizerFile.model.vocab), TEXTS);
  const rates: number[] = [];
  const libraryRates: number[] = [];
  let tokens = 0;
  // In turns, so that a machine that slows down does so for both.
  for (let round = 0; round <= ROUNDS; round++) {
    tokens = 0;
    const embedMs = await timed(async () => {
      for (let start = 0; start < texts.length; start += provider.maxBatchSize) {
        tokens += (await provider.embed(texts.slice(start, start + provider.maxBatchSize))).tokens;
      }
    });
    const libraryMs = await timed(async () => {
      for (const text of texts.slice(0, LIBRARY_TEXTS)) library.encode(text, { add_special_tokens: false });
    });
    // The first round compiles.
    if (round === 0) continue;
    rates.push((texts.length / embedMs) * 1000);
    libraryRates.push((LIBRARY_TEXTS / libraryMs) * 1000);
  }
  const textsPerSecond = Math.round(median(rates));
  const libraryTokenizerTextsPerSecond = Math.round(median(libraryRates));
  return {
    name: 'static model',
    code,
    texts: texts.length,
    tokensPerText: round1(tokens / texts.length),
    textsPerSecond,
    libraryTokenizerTextsPerSecond,
    ratio: round1(textsPerSecond / libraryTokenizerTextsPerSecond),
    firstOpenMs: round1(firstOpenMs),
    openMs: round1(median(openTimes)),
  };
}

/** What users run, where it is built. `require` because a TypeScript loader would take hold of an `import` as well. */
async function loadProviders(): Promise<{ code: 'built' | 'source' } & typeof OpenProvider> {
  const built = fileURLToPath(new URL('../dist/providers/open-provider.js', import.meta.url));
  if (existsSync(built)) {
    const module = createRequire(import.meta.url)(built) as typeof OpenProvider;
    return { code: 'built', openProvider: module.openProvider };
  }
  const { openProvider } = await import('../src/providers/open-provider.ts');
  return { code: 'source', openProvider };
}

function readTokenizerFile(): { model: { vocab: Record<string, number> } } {
  const path = new URL('../models/static-en-256/tokenizer.json', import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as { model: { vocab: Record<string, number> } };
}

/**
 * Texts like the summaries of packages: some ten words, frequent ones more often (a vocabulary of BERT is in the
 * order of frequency), one in eight put together from two, so that it falls into pieces.
 */
function summaries(vocabulary: readonly string[], count: number): string[] {
  const words = vocabulary.filter((token) => /^[a-z]{2,}$/.test(token));
  const random = seededRandom(41);
  const word = () => words[Math.floor(words.length * random() ** 3)] ?? 'the';
  return Array.from({ length: count }, () => {
    const text = Array.from({ length: 6 + Math.floor(random() * 14) }, () => {
      if (random() < 0.125) return word() + word();
      return random() < 0.1 ? `${word()},` : word();
    }).join(' ');
    return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  });
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await benchStaticKernel(), null, 2));
}
