import { describe, expect, it } from 'vitest';
import { queriesFromLabels } from './queries.ts';
import type { Sample } from './sample.ts';

function sampleOf(...labels: string[]): Sample {
  return {
    total: labels.length,
    rows: labels.map((label, index) => ({ key: String(index), label })),
    withText: labels.map((_label, index) => index),
    digest: '',
  };
}

describe('labels as queries', () => {
  it('want every row of that label', () => {
    expect(queriesFromLabels(sampleOf('PAY', 'MOB', ' PAY'), 'projects')).toEqual([
      { text: 'PAY', wanted: [0, 2] },
      { text: 'MOB', wanted: [1] },
    ]);
  });

  it('leave out rows without text, and labels without a letter', () => {
    const sample = { ...sampleOf('PAY', '10001', 'MOB', '#-1', 'запад', '東京'), withText: [0, 1, 3, 4, 5] };
    expect(queriesFromLabels(sample, 'projects').map(({ text }) => text)).toEqual(['PAY', 'запад', '東京']);
  });

  it('are fifty at the most, each with all of its rows', () => {
    const labels = Array.from({ length: 120 }, (_none, index) => `label ${index % 60}`);
    const queries = queriesFromLabels(sampleOf(...labels), 'projects');
    expect(queries).toHaveLength(50);
    expect(queries[0]).toEqual({ text: 'label 0', wanted: [0, 60] });
  });

  it('are nothing to ask where they are numbers', () => {
    expect(() => queriesFromLabels(sampleOf('1', '2'), 'wits')).toThrow(
      expect.objectContaining({
        family: 'usage',
        code: 'queries_needed',
        message: 'the labels of wits have no words to search for',
        hint: expect.stringContaining('--queries <file>') as string,
      }) as Error,
    );
  });
});
