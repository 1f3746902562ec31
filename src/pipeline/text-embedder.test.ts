import { describe, expect, test } from 'vitest';
import { FakeProvider, fakeVector } from '../../test/helpers/fake-provider.ts';
import { Gate } from '../../test/helpers/gate.ts';
import type { BatchReceipts, BoughtVector } from '../receipts/receipt-book.ts';
import { shortHash } from '../util/hash.ts';
import { TextEmbedder } from './text-embedder.ts';

const texts = (count: number) => Array.from({ length: count }, (_, index) => `text ${index}`);

describe('calls', () => {
  test('are as large as the provider allows, and vectors come back in the order of the texts', async () => {
    const provider = new FakeProvider({ maxBatchSize: 3 });
    const { vectors, origins, tokens } = await new TextEmbedder(provider).embed(texts(8));
    expect(provider.calls.map((call) => call.length)).toEqual([3, 3, 2]);
    expect(vectors).toEqual(texts(8).map((text) => fakeVector(text)));
    expect(origins).toEqual(texts(8).map(() => 'provider'));
    expect(tokens).toBe(16);
  });

  test('are never more at once than the provider allows, whoever asks, and a free place is taken at once', async () => {
    const provider = new FakeProvider({ maxBatchSize: 1, maxConcurrency: 2 });
    const embedder = new TextEmbedder(provider);
    const gates = texts(5).map(() => new Gate());
    provider.before = ([text]) => gates[texts(5).indexOf(text ?? '')]?.pass();
    const all = Promise.all([embedder.embed(texts(3)), embedder.embed(texts(5).slice(3))]);
    await Promise.all(gates.slice(0, 2).map((gate) => gate.waiting()));
    expect(provider.calls).toHaveLength(2);
    for (const [index, gate] of gates.entries()) {
      gate.open();
      await gates[index + 2]?.waiting();
      expect(provider.calls).toHaveLength(Math.min(index + 3, 5));
    }
    await all;
    expect(provider.peakCalls).toBe(2);
  });

  test('of no text are none', async () => {
    const provider = new FakeProvider();
    expect(await new TextEmbedder(provider).embed([])).toEqual({
      vectors: [],
      origins: [],
      tokens: 0,
      cost: 0,
    });
    expect(provider.calls).toEqual([]);
  });
});

describe('equal texts', () => {
  test('are embedded once, in one call, one after another and at once', async () => {
    const provider = new FakeProvider();
    const embedder = new TextEmbedder(provider);
    const gate = new Gate();
    provider.before = () => gate.pass();
    const first = embedder.embed(['a', 'b', 'a']);
    const second = embedder.embed(['a', 'c']);
    await gate.waiting(2);
    gate.open();
    expect((await first).origins).toEqual(['provider', 'provider', 'reused']);
    expect((await second).origins).toEqual(['reused', 'provider']);
    const third = await embedder.embed(['c', 'b', 'a']);
    expect(third).toEqual({
      vectors: ['c', 'b', 'a'].map((text) => fakeVector(text)),
      origins: ['reused', 'reused', 'reused'],
      tokens: 0,
      cost: 0,
    });
    expect(provider.texts).toEqual(['a', 'b', 'c']);
  });

  test('are remembered within bounds, the ones not used for longest are forgotten', async () => {
    const provider = new FakeProvider({ dimensions: 8 });
    const embedder = new TextEmbedder(provider, 3 * 8 * 4);
    for (const text of ['a', 'b', 'c', 'a', 'd']) await embedder.embed([text]);
    provider.calls.length = 0;
    for (const text of ['a', 'c', 'd']) await embedder.embed([text]);
    expect(provider.texts).toEqual([]);
    await embedder.embed(['b']);
    expect(provider.texts).toEqual(['b']);
  });

  test('are complete even where fewer are remembered than one call has', async () => {
    const provider = new FakeProvider({ maxBatchSize: 2 });
    const { vectors } = await new TextEmbedder(provider, 1).embed(texts(7));
    expect(vectors).toEqual(texts(7).map((text) => fakeVector(text)));
  });

  test('do not keep the whole answer of a call in memory', async () => {
    const provider = new FakeProvider();
    provider.spoil = (result) => {
      const whole = new Float32Array(8_000);
      const vectors = result.vectors.map((vector, index) => {
        whole.set(vector as Float32Array, index * 8);
        return whole.subarray(index * 8, index * 8 + 8);
      });
      return { ...result, vectors };
    };
    const { vectors } = await new TextEmbedder(provider).embed(['a', 'b']);
    expect(vectors).toEqual([fakeVector('a'), fakeVector('b')]);
    for (const vector of vectors) expect((vector as Float32Array).buffer.byteLength).toBe(8 * 4);
  });
});

describe('a call that fails', () => {
  test('fails whoever needs one of its texts, and is not remembered', async () => {
    const provider = new FakeProvider();
    const embedder = new TextEmbedder(provider);
    const failure = new Error('out of order');
    const gate = new Gate();
    provider.before = async ([text]) => {
      await gate.pass();
      if (text === 'a') throw failure;
    };
    const first = embedder.embed(['a', 'b']);
    const second = embedder.embed(['c', 'b']);
    await gate.waiting(2);
    gate.open();
    await expect(first).rejects.toBe(failure);
    await expect(second).rejects.toBe(failure);
    provider.before = undefined;
    const { vectors, origins } = await embedder.embed(['a', 'b', 'c']);
    expect(vectors).toEqual(['a', 'b', 'c'].map((text) => fakeVector(text)));
    expect(origins).toEqual(['provider', 'provider', 'reused']);
  });

  test('is waited for together with the other calls of the same texts', async () => {
    const provider = new FakeProvider({ maxBatchSize: 1, maxConcurrency: 4 });
    const slow = new Gate();
    provider.before = ([text]) => {
      if (text === 'bad') throw new Error('out of order');
      return slow.pass();
    };
    let ended = false;
    const embedding = new TextEmbedder(provider).embed(['slow', 'bad']).finally(() => (ended = true));
    await slow.waiting();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    slow.open();
    await expect(embedding).rejects.toThrow('out of order');
  });

  test('gives its place free', async () => {
    const provider = new FakeProvider({ maxConcurrency: 1 });
    const embedder = new TextEmbedder(provider);
    provider.before = () => {
      throw new Error('out of order');
    };
    for (let attempt = 0; attempt < 3; attempt += 1) await expect(embedder.embed(['a'])).rejects.toThrow();
    provider.before = undefined;
    expect((await embedder.embed(['a'])).vectors).toEqual([fakeVector('a')]);
  });
});

test('an aborted call rejects with the reason, and calls that wait for a place are not made', async () => {
  const provider = new FakeProvider({ maxBatchSize: 1, maxConcurrency: 1 });
  const controller = new AbortController();
  const gate = new Gate();
  provider.before = (_texts, options) => gate.pass(options);
  const embedding = new TextEmbedder(provider).embed(['a', 'b'], { signal: controller.signal });
  await gate.waiting();
  const reason = new Error('stop');
  controller.abort(reason);
  await expect(embedding).rejects.toBe(reason);
  expect(provider.texts).toEqual(['a']);
});

test('a refused text is a value, and is remembered as well', async () => {
  const provider = new FakeProvider();
  const embedder = new TextEmbedder(provider);
  const refusal = { code: 'no_known_token', reason: 'no word of it is known' };
  provider.refused.set('b', refusal);
  expect((await embedder.embed(['a', 'b'])).vectors).toEqual([fakeVector('a'), refusal]);
  expect((await embedder.embed(['b'])).vectors).toEqual([refusal]);
  expect(provider.texts).toEqual(['a', 'b']);
});

test('an answer that cannot be right fails the call, one bad vector only its text', async () => {
  const provider = new FakeProvider();
  const embedder = new TextEmbedder(provider);
  provider.spoil = (result) => ({ ...result, vectors: result.vectors.slice(1) });
  await expect(embedder.embed(['a', 'b'])).rejects.toMatchObject({ code: 'provider_contract' });
  provider.spoil = (result) => ({ ...result, vectors: [new Float32Array(8), ...result.vectors.slice(1)] });
  const { vectors } = await embedder.embed(['a', 'b']);
  expect(vectors).toEqual([expect.objectContaining({ code: 'vector_zero' }), fakeVector('b')]);
});

test('a call with more texts than are remembered ends, and embeds each of them once', async () => {
  const provider = new FakeProvider();
  const roomForTwo = provider.dimensions * Float32Array.BYTES_PER_ELEMENT * 2;
  const again = ['a', 'b', 'c', 'a', 'b'];
  const { vectors, origins } = await new TextEmbedder(provider, roomForTwo).embed(again);
  expect(vectors).toEqual(again.map((text) => fakeVector(text)));
  expect(origins).toEqual(['provider', 'provider', 'provider', 'reused', 'reused']);
  expect(provider.calls.flat()).toEqual(['a', 'b', 'c']);
});

describe('receipts', () => {
  /** A book in memory that writes down what happened in which order. */
  function book(bought: ReadonlyMap<string, Float32Array> = new Map()) {
    const log: string[] = [];
    const receipts: BatchReceipts = {
      isCharged: true,
      find: async (hashes) => {
        log.push(`find ${hashes.length}`);
        return new Map([...bought].filter(([hash]) => hashes.includes(hash)));
      },
      keep: async (vectors) => void log.push(`keep ${vectors.length}`),
    };
    return { log, receipts };
  }

  test('are asked first, and what they hold is not bought', async () => {
    const provider = new FakeProvider();
    const { log, receipts } = book(new Map([[shortHash('a'), fakeVector('a')]]));
    const embedder = new TextEmbedder(provider);
    const result = await embedder.embed(['a', 'b', 'a'], { receipts });
    expect(result).toMatchObject({ origins: ['reused', 'provider', 'reused'], tokens: 1 });
    expect(result.vectors).toEqual(['a', 'b', 'a'].map((text) => fakeVector(text)));
    expect(provider.texts).toEqual(['b']);
    expect(log).toEqual(['find 2', 'keep 1']);
  });

  test('are kept request by request: one that is still waited for holds back no other', async () => {
    const provider = new FakeProvider({ maxBatchSize: 100 });
    provider.requestLimits = { inputs: 2, tokens: 1000 };
    const gate = new Gate();
    provider.before = (texts) => (texts.includes('slow') ? gate.pass() : undefined);
    const { log, receipts } = book();
    const embedding = new TextEmbedder(provider).embed(['a', 'b', 'slow'], { receipts });
    await gate.waiting();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['find 3', 'keep 2']);
    gate.open();
    await embedding;
  });

  test('of a vector that this process remembers are kept for the other batch, too', async () => {
    const embedder = new TextEmbedder(new FakeProvider());
    await embedder.embed(['a'], { receipts: book().receipts });
    const { log, receipts } = book();
    await embedder.embed(['a', 'b'], { receipts });
    expect(log).toEqual(['find 1', 'keep 1', 'keep 1']);
  });

  test('are safe before anybody sees the vector', async () => {
    const embedder = new TextEmbedder(new FakeProvider());
    const gate = new Gate();
    const { receipts } = book();
    const slow = { ...receipts, keep: () => gate.pass().then(() => {}) };
    let isSeen = false;
    const first = embedder.embed(['a'], { receipts: slow });
    const second = embedder.embed(['a']).then(() => (isSeen = true));
    await gate.waiting();
    expect(isSeen).toBe(false);
    gate.open();
    await Promise.all([first, second]);
  });

  test('hold no refused text', async () => {
    const provider = new FakeProvider();
    provider.refused.set('b', { code: 'refused', reason: 'it is' });
    const kept: string[][] = [];
    const receipts = {
      ...book().receipts,
      keep: async (vectors: readonly BoughtVector[]) =>
        void kept.push(vectors.map((bought) => bought.textHash)),
    };
    await new TextEmbedder(provider).embed(['a', 'b'], { receipts });
    expect(kept).toEqual([[shortHash('a')]]);
  });

  test('carry what is due: a call’s credits by the length of its texts, to the last millionth', async () => {
    const provider = new FakeProvider();
    provider.creditsPerMillionTokens = 333_333;
    provider.refused.set('no thanks', { code: 'refused', reason: 'it is' });
    const due = new Map<string, number>();
    const receipts = {
      ...book().receipts,
      keep: async (vectors: readonly BoughtVector[]) =>
        vectors.forEach(({ textHash, dueMicros }) => due.set(textHash, dueMicros)),
    };
    const embedder = new TextEmbedder(provider);
    await embedder.embed(['a', 'a b c', 'no thanks', 'a b'], { receipts });
    expect([...due.keys()]).toEqual(['a', 'a b c', 'a b'].map(shortHash));
    expect([...due.values()].reduce((sum, micros) => sum + micros)).toBe(8 * 333_333);
    expect(due.get(shortHash('a b c'))).toBe(4 * 333_333);
    due.clear();
    await embedder.embed(['a'], { receipts });
    expect([...due.values()]).toEqual([0]);
  });

  test('a vector of no use takes its part of the cost with it', async () => {
    const provider = new FakeProvider();
    provider.creditsPerMillionTokens = 1_000_000;
    provider.spoil = (result) => ({
      ...result,
      vectors: result.vectors.with(1, new Float32Array(8).fill(NaN)),
    });
    const kept: BoughtVector[] = [];
    const receipts = {
      ...book().receipts,
      keep: async (vectors: readonly BoughtVector[]) => void kept.push(...vectors),
    };
    await new TextEmbedder(provider).embed(['a b', 'c d e', 'f'], { receipts });
    expect(kept.map(({ dueMicros }) => dueMicros)).toEqual([2_000_000, 1_000_000]);
  });

  test.each(['find', 'keep'] as const)(
    'that cannot be reached fail the call at %s, and the text can be tried again',
    async (method) => {
      const embedder = new TextEmbedder(new FakeProvider());
      const { receipts } = book();
      const broken = { ...receipts, [method]: () => Promise.reject(new Error('no database')) };
      await expect(embedder.embed(['a'], { receipts: broken })).rejects.toThrow('no database');
      expect((await embedder.embed(['a'], { receipts })).vectors).toEqual([fakeVector('a')]);
    },
  );

  test('what a fallback served and what it cost is told text by text', async () => {
    const provider = new FakeProvider({ maxBatchSize: 1 });
    provider.spoil = (result, [text]) => ({ ...result, cost: 2, byFallback: text === 'b' });
    const { origins, cost } = await new TextEmbedder(provider).embed(['a', 'b', 'b']);
    expect(origins).toEqual(['provider', 'fallback', 'reused']);
    expect(cost).toBe(4);
  });
});
