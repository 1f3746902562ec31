import { expect, test } from 'vitest';
import { readSpecialTokens } from './special-tokens.ts';

const template = {
  type: 'TemplateProcessing',
  single: [
    { SpecialToken: { id: '<s>', type_id: 0 } },
    { Sequence: { id: 'A', type_id: 0 } },
    { SpecialToken: { id: '</s>', type_id: 0 } },
  ],
  special_tokens: { '<s>': { id: '<s>', ids: [0, 7] }, '</s>': { id: '</s>', ids: [2] } },
};

test.each([
  ['a template', template, { before: [0, 7], after: [2] }],
  ['a pair', { type: 'RobertaProcessing', cls: ['<s>', 0], sep: ['</s>', 2] }, { before: [0], after: [2] }],
  ['nothing', null, { before: [], after: [] }],
  [
    'several processors',
    { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template] },
    { before: [0, 7], after: [2] },
  ],
])('reads %s', (_name, processor, expected) => {
  expect(readSpecialTokens({ post_processor: processor })).toEqual(expected);
});

test.each([
  ['a kind that is not known', { type: 'Other' }],
  ['a template that names a token it does not describe', { ...template, special_tokens: {} }],
  ['a pair without ids', { type: 'BertProcessing', cls: ['a'], sep: ['b'] }],
])('is told from %s', (_name, processor) => {
  expect(readSpecialTokens({ post_processor: processor })).toBeNull();
});
