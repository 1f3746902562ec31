import { describe, expect, it } from 'vitest';
import { packRequests } from './pack-requests.ts';

const LIMITS = { maxInputs: 4, maxTokensPerRequest: 100, maxTokensPerInput: 50 };

/** The tokens of each text, by request. */
function packed(tokens: readonly number[], limits = LIMITS): number[][] {
  const texts = tokens.map((each, index) => ({ index, text: `${index}`, tokens: each }));
  const requests = packRequests(texts, limits);
  expect(
    requests
      .flat()
      .map(({ index }) => index)
      .toSorted((a, b) => a - b),
  ).toEqual([...tokens.keys()]);
  return requests.map((request) => request.map((text) => text.tokens));
}

describe('packRequests', () => {
  it('keeps to the number of texts, evenly', () => {
    expect(packed([1, 1, 1, 1, 1, 1])).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });

  it('keeps to the tokens of a request', () => {
    expect(packed([40, 40, 40, 40])).toEqual([
      [40, 40],
      [40, 40],
    ]);
  });

  it('sends a text over the limit of a text alone, and the others together', () => {
    expect(packed([10, 51, 10])).toEqual([[51], [10, 10]]);
  });

  it('makes no request of nothing', () => {
    expect(packed([])).toEqual([]);
  });
});
