import { describe, expect, it } from 'vitest';
import { FakeProvider, fakeVector } from '../../test/helpers/fake-provider.ts';
import type { EmbedOptions } from '../ports/embedding-provider.ts';
import { embedQueries } from './embed-queries.ts';

const texts = Array.from({ length: 45 }, (_none, index) => `query ${index}`);

describe('queries', () => {
  it('are embedded as queries, in order, the first ones alone so that they can be timed', async () => {
    const provider = new FakeProvider({ maxBatchSize: 10 });
    const purposes = new Set<unknown>();
    provider.before = (_texts, options: EmbedOptions) => purposes.add(options.purpose);
    const { vectors, tokens, medianMs } = await embedQueries(provider, texts, {});
    expect(vectors).toEqual(texts.map((text) => fakeVector(text)));
    expect(provider.calls.map((call) => call.length)).toEqual([...Array<number>(20).fill(1), 10, 10, 5]);
    expect(provider.texts).toEqual(texts);
    expect(provider.peakCalls).toBe(1);
    expect(purposes).toEqual(new Set(['query']));
    expect(tokens).toBe(90);
    expect(medianMs).toBeGreaterThan(0);
  });

  it('that are refused have no vector, and the others do', async () => {
    const provider = new FakeProvider();
    provider.refused.set('query 1', { code: 'no_known_token', reason: 'none' });
    const { vectors } = await embedQueries(provider, ['query 0', 'query 1', 'query 2'], {});
    expect(vectors).toEqual([fakeVector('query 0'), null, fakeVector('query 2')]);
  });

  it('are not asked any more once the run is stopped', async () => {
    const provider = new FakeProvider();
    const stop = new AbortController();
    provider.before = () => stop.abort(new Error('stopped'));
    await expect(embedQueries(provider, texts, { signal: stop.signal })).rejects.toThrow('stopped');
    expect(provider.calls).toHaveLength(1);
  });

  it('whose answer has the wrong width are an error', async () => {
    const provider = new FakeProvider();
    provider.spoil = () => ({ vectors: [new Float32Array(3).fill(1)], tokens: 1 });
    await expect(embedQueries(provider, texts, {})).rejects.toMatchObject({ code: 'provider_contract' });
  });
});
