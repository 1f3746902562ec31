import { describe, expect, test } from 'vitest';
import { FakeProvider } from '../../test/helpers/fake-provider.ts';
import { tableEntity } from '../../test/helpers/pipeline.ts';
import { changedSettings, effectiveChunking, fingerprintOf, fingerprintSettings } from './fingerprint.ts';

const entity = tableEntity('t');
const settings = fingerprintSettings(entity, new FakeProvider());

describe('the fingerprint', () => {
  test('is recorded in databases: it never changes for the same settings', () => {
    expect(settings).toEqual({
      provider: 'fake',
      model: 'fake/model',
      dimensions: 8,
      template: '{{ name }}\n{{ body }}',
      chunking: null,
    });
    expect(fingerprintOf(settings)).toBe('19c6e997b891fc0c714e78f5b3e717d7');
  });

  test.each([
    ['model', fingerprintSettings(entity, new FakeProvider({ modelId: 'other' }))],
    ['dimensions', fingerprintSettings(entity, new FakeProvider({ dimensions: 4 }))],
    ['template', fingerprintSettings({ ...entity, text: '{{ name }}' }, new FakeProvider())],
    ['chunking', fingerprintSettings(entity, new FakeProvider({ maxInputTokens: 100 }))],
    ['provider', { ...settings, provider: 'other' }],
  ])('is another one with another %s, which is named', (name, changed) => {
    expect(fingerprintOf(changed)).not.toBe(fingerprintOf(settings));
    expect(changedSettings(settings, changed)).toEqual([name]);
  });

  test('does not depend on what only speed, payload or place depend on', () => {
    const other = fingerprintSettings(
      { ...entity, payload: ['name'], labelColumn: 'name', collection: 'other' },
      new FakeProvider({ maxBatchSize: 1, maxConcurrency: 1 }),
    );
    expect(fingerprintOf(other)).toBe(fingerprintOf(settings));
    expect(changedSettings(settings, other)).toEqual([]);
  });
});

describe('chunking', () => {
  test.each([
    ['none where neither asks for it', null, null, null],
    [
      'what the entity asks for where the model has no limit',
      { maxTokens: 50, overlap: 9 },
      null,
      { maxTokens: 50, overlap: 9 },
    ],
    ['what the model takes where the entity does not ask', null, 256, { maxTokens: 256, overlap: 32 }],
    ['a small overlap where the model takes little', null, 16, { maxTokens: 16, overlap: 4 }],
    ['the smaller of both', { maxTokens: 512, overlap: 10 }, 256, { maxTokens: 256, overlap: 10 }],
    [
      'with room for new text in every chunk',
      { maxTokens: 512, overlap: 500 },
      256,
      { maxTokens: 256, overlap: 128 },
    ],
  ])('is %s', (_name, chunk, maxInputTokens, expected) => {
    expect(effectiveChunking({ ...entity, chunk }, new FakeProvider({ maxInputTokens }))).toEqual(expected);
  });
});
