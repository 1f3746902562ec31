import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EmbeddingProvider, OpenProviderOptions } from '../../src/ports/embedding-provider.ts';

export interface ProviderUnderTest {
  /** Opens a new one each time. */
  open(options?: OpenProviderOptions): Promise<EmbeddingProvider>;
}

const TEXTS = [
  'a queue of work',
  'The quick brown fox jumps over the lazy dog',
  'vector',
  'Zürich and Łódź, naïve café',
  'one\ntwo\tthree',
  'a queue of work that grew longer and longer until somebody claimed it',
];

/** What may stand in a row of somebody's table. */
const AWKWARD = [
  '🙂👩‍👩‍👧',
  '漢字とかな',
  '\u0000',
  '\ud800',
  ' ',
  'x'.repeat(5000),
  '!'.repeat(300),
  'a b '.repeat(20_000),
];

const length = (vector: Float32Array) => Math.hypot(...vector);
const cosine = (one: Float32Array, other: Float32Array) =>
  one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0) / length(one) / length(other);

/** int8 activations depend a little on what else is in the batch, those of a tiny model the most. */
const SAME = 0.98;

/** What every provider promises, whatever is behind it. The opener of the suite disposes of servers and folders. */
export function describeProviderContract(name: string, prepare: () => Promise<ProviderUnderTest>): void {
  describe(`the provider contract of ${name}`, () => {
    let subject: ProviderUnderTest;
    let provider: EmbeddingProvider;
    beforeAll(async () => {
      subject = await prepare();
      provider = await subject.open();
    });
    afterAll(async () => {
      await provider?.[Symbol.asyncDispose]();
    });

    async function vectorsOf(texts: readonly string[], using = provider): Promise<Float32Array[]> {
      const { vectors } = await using.embed(texts);
      expect(vectors).toHaveLength(texts.length);
      return vectors.map((vector) => {
        if (vector instanceof Float32Array) return vector;
        throw new Error(`refused: ${vector.reason}`);
      });
    }

    test('vectors have the width and unit length, one for each text, in the order of the texts', async () => {
      const together = await vectorsOf(TEXTS);
      for (const [index, text] of TEXTS.entries()) {
        const vector = together[index] ?? new Float32Array();
        expect(vector).toHaveLength(provider.dimensions);
        expect(length(vector)).toBeCloseTo(1, 4);
        const [alone = new Float32Array()] = await vectorsOf([text]);
        expect(cosine(vector, alone)).toBeGreaterThan(SAME);
      }
      expect(cosine(together[0] ?? new Float32Array(), together[2] ?? new Float32Array())).toBeLessThan(
        0.999,
      );
    });

    test('no text is no vector and no token', async () => {
      expect(await provider.embed([])).toMatchObject({ vectors: [], tokens: 0 });
    });

    test('many texts of one call keep their order', async () => {
      const count = Math.min(provider.maxBatchSize, 150);
      const texts = Array.from({ length: count }, (_, index) => `${index} ${'of work '.repeat(index % 5)}`);
      const vectors = await vectorsOf(texts);
      for (const index of [0, 1, count >> 1, count - 1]) {
        const [alone = new Float32Array()] = await vectorsOf([texts[index] ?? '']);
        expect(cosine(vectors[index] ?? new Float32Array(), alone)).toBeGreaterThan(SAME);
      }
    });

    test('calls at once do not get in each other’s way', async () => {
      const calls = Array.from({ length: Math.min(2 * provider.maxConcurrency, 12) }, (_, index) => [
        ...TEXTS.slice(index % TEXTS.length),
        ...TEXTS.slice(0, index % TEXTS.length),
      ]);
      const [expected = new Float32Array()] = await vectorsOf(TEXTS.slice(0, 1));
      const answers = await Promise.all(calls.map((texts) => vectorsOf(texts)));
      answers.forEach((vectors, call) => {
        const at = calls[call]?.indexOf(TEXTS[0] ?? '') ?? 0;
        expect(cosine(vectors[at] ?? new Float32Array(), expected)).toBeGreaterThan(SAME);
      });
    });

    test('awkward texts are vectors or refused with a reason, and harm nobody else', async () => {
      const texts = AWKWARD.flatMap((text) => [text, TEXTS[0] ?? '']);
      const { vectors } = await provider.embed(texts);
      const [expected = new Float32Array()] = await vectorsOf(TEXTS.slice(0, 1));
      expect(vectors).toHaveLength(texts.length);
      vectors.forEach((vector, index) => {
        if (index % 2 === 1) {
          if (!(vector instanceof Float32Array)) throw new Error(`refused: ${vector.reason}`);
          expect(cosine(vector, expected)).toBeGreaterThan(SAME);
        } else if (vector instanceof Float32Array) expect(length(vector)).toBeCloseTo(1, 3);
        else expect(vector).toEqual({ code: expect.stringMatching(/^[a-z_]+$/), reason: expect.any(String) });
      });
    });

    test('tokens are counted, and the tokenizer finds the words where they are', async () => {
      const text = 'two words, and more';
      expect((await provider.embed([text])).tokens).toBeGreaterThan(0);
      expect(provider.tokenizer.count(text)).toBeGreaterThanOrEqual(4);
      const words = provider.tokenizer.words(text);
      let end = 0;
      for (const word of words) {
        expect(word.start).toBeGreaterThanOrEqual(end);
        expect(word.end).toBeGreaterThan(word.start);
        end = word.end;
      }
      expect(end).toBeLessThanOrEqual(text.length);
      expect(words.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(provider.tokenizer.count(text));
    });

    test('a search text has the same width', async () => {
      const { vectors } = await provider.embed(['a search text'], { purpose: 'query' });
      expect(vectors[0]).toHaveLength(provider.dimensions);
    });

    test('an abort rejects with its reason, before and in the middle, and the provider goes on', async () => {
      const reason = new Error('enough');
      await expect(provider.embed(TEXTS, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const controller = new AbortController();
      const many = Array.from({ length: provider.maxBatchSize }, (_, index) => `${TEXTS[1] ?? ''} ${index}`);
      const call = provider.embed(many, { signal: controller.signal });
      setImmediate(() => controller.abort(reason));
      // A provider may be done before it looks.
      await call.then(
        ({ vectors }) => expect(vectors).toHaveLength(many.length),
        (error: unknown) => expect(error).toBe(reason),
      );
      expect(await vectorsOf(TEXTS)).toHaveLength(TEXTS.length);
    });

    test('says the same of itself each time', async () => {
      await using again = await subject.open();
      const { kind, modelId, variant, dimensions, maxInputTokens } = provider;
      expect(again).toMatchObject({ kind, modelId, variant, dimensions, maxInputTokens });
    });

    test('an open that is aborted rejects with the reason, and another one works', async () => {
      const reason = new Error('enough');
      await expect(subject.open({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      await using again = await subject.open();
      expect(await vectorsOf(['x y'], again)).toHaveLength(1);
    });

    test('disposal may come twice, also at once, ends what is under way, and refuses what comes after', async () => {
      const own = await subject.open();
      const call = own.embed(TEXTS).then(
        () => 'answered',
        () => 'rejected',
      );
      await Promise.all([own[Symbol.asyncDispose](), own[Symbol.asyncDispose]()]);
      await own[Symbol.asyncDispose]();
      expect(await call).toMatch(/answered|rejected/);
      await expect(own.embed(TEXTS)).rejects.toThrow();
    });

    test('an exception in the scope comes out of it, and the provider is closed', async () => {
      let held: EmbeddingProvider | undefined;
      const work = async () => {
        await using own = await subject.open();
        held = own;
        throw new Error('first');
      };
      await expect(work()).rejects.toThrow('first');
      await expect(held?.embed(TEXTS)).rejects.toThrow();
    });

    test('several may be open at once, and closing one leaves the others alone', async () => {
      await using one = await subject.open();
      const other = await subject.open();
      await Promise.all([vectorsOf(TEXTS, one), vectorsOf(TEXTS, other)]);
      await other[Symbol.asyncDispose]();
      expect(await vectorsOf(TEXTS, one)).toHaveLength(TEXTS.length);
    });
  });
}
