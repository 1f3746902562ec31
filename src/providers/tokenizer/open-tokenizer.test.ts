import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TINY_TOKENS, tinyModels, wordPieceTokenizer } from '../../../scripts/make-fixture-models.ts';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import { createTokenBuffer } from './model-tokenizer.ts';
import { openTokenizer } from './open-tokenizer.ts';
import { WordPieceTokenizer } from './word-piece-tokenizer.ts';

const bert = () => wordPieceTokenizer(TINY_TOKENS);
const unigram = () => tinyModels()['tiny-unigram']?.tokenizer as Record<string, unknown>;

function model(of: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  return { ...of, model: { ...(of['model'] as object), ...changes } };
}

describe('the kind of tokenizer', () => {
  it('is our own for BERT, also where the file names no type', async () => {
    expect(await openTokenizer(bert(), 'f')).toBeInstanceOf(WordPieceTokenizer);
    const { type: _type, ...untyped } = bert()['model'] as Record<string, unknown>;
    expect(await openTokenizer({ ...bert(), model: untyped }, 'f')).toBeInstanceOf(WordPieceTokenizer);
  });

  it.each<[string, Record<string, unknown>]>([
    ['another normaliser', { ...bert(), normalizer: { type: 'Lowercase' } }],
    ['another pre-tokenizer', { ...bert(), pre_tokenizer: { type: 'Whitespace' } }],
    [
      'an added token that is matched after normalisation',
      {
        ...bert(),
        added_tokens: [
          { id: TINY_TOKENS.indexOf('reset') + 4, content: 'reset', normalized: true, special: false },
        ],
      },
    ],
    ['words without a limit', model(bert(), { max_input_chars_per_word: 1_000_000 })],
  ])('is the library for %s', async (_name, file) => {
    const tokenizer = await openTokenizer(file, 'f');
    expect(tokenizer).not.toBeInstanceOf(WordPieceTokenizer);
    expect(tokenizer.count('reset the password')).toBe(3);
    expect(tokenizer.unknownId).toBe(1);
    expect(tokenizer.idLimit).toBe(TINY_TOKENS.length + 4);
  });

  it('may be a list of whole words', async () => {
    const vocab = { '[UNK]': 0, reset: 1, password: 2 };
    const file = {
      model: { type: 'WordLevel', vocab, unk_token: '[UNK]' },
      pre_tokenizer: { type: 'Whitespace' },
    };
    const tokenizer = await openTokenizer(file, 'f');
    const buffer = createTokenBuffer();
    tokenizer.encodeInto('reset my password', 0, buffer);
    expect([...buffer.ids.subarray(0, buffer.length)]).toEqual([1, 0, 2]);
    expect(tokenizer.unknownId).toBe(0);
  });
});

describe('a tokenizer of the library', () => {
  it('counts, and takes runs of non-blanks as words', async () => {
    const tokenizer = await openTokenizer(unigram(), 'f');
    expect(tokenizer.count('reset the password')).toBe(4);
    expect(tokenizer.words('reset  the\npassword')).toEqual([
      { start: 0, end: 5, tokens: 1 },
      { start: 7, end: 10, tokens: 1 },
      { start: 11, end: 19, tokens: 2 },
    ]);
    expect(tokenizer.unknownId).toBe(0);
  });

  it('makes the buffer larger rather than stopping half way', async () => {
    const tokenizer = await openTokenizer(unigram(), 'f');
    const buffer = createTokenBuffer();
    const text = 'reset the password '.repeat(3000);
    expect(tokenizer.encodeInto(text, 0, buffer)).toBe(text.length);
    expect(buffer.length).toBe(tokenizer.count(text));
    expect(buffer.length).toBeGreaterThan(12_000);
  });
});

describe('errors', () => {
  it.each<[string, unknown, string, string]>([
    ['no object', [], 'model_invalid', 'has no object "model"'],
    ['no model', { normalizer: null }, 'model_invalid', 'has no object "model"'],
    ['an unknown kind', model(bert(), { type: 'Braille' }), 'model_unsupported', 'kind "Braille"'],
    ['no vocabulary', model(bert(), { vocab: null }), 'model_invalid', 'no object "model.vocab"'],
    ['an empty vocabulary', model(bert(), { vocab: {} }), 'model_invalid', 'empty "model.vocab"'],
    ['an id that is no number', model(bert(), { vocab: { a: '1' } }), 'model_invalid', 'not a whole number'],
    ['a huge id', model(bert(), { vocab: { a: 2 ** 40 } }), 'model_invalid', 'not a whole number'],
    [
      'a huge id of an added token',
      { ...bert(), added_tokens: [{ id: 2 ** 30, content: 'x' }] },
      'model_invalid',
      '"added_tokens"',
    ],
    [
      'a huge id for the library',
      { ...model(bert(), { vocab: { a: 2 ** 30 } }), normalizer: null },
      'model_invalid',
      'not a whole number',
    ],
    ['no unknown token', model(bert(), { unk_token: '<unk>' }), 'model_invalid', 'no token "<unk>"'],
    ['added tokens that are no list', { ...bert(), added_tokens: {} }, 'model_invalid', 'not a list'],
    [
      'an added token without content',
      { ...bert(), added_tokens: [{ id: 1 }] },
      'model_invalid',
      '"id" and "content"',
    ],
    [
      'a part the library does not know',
      { ...bert(), normalizer: { type: 'Rot13' } },
      'model_unsupported',
      'Rot13',
    ],
  ])('say what is wrong with a file that has %s', async (_name, file, code, words) => {
    const error: unknown = await openTokenizer(file, '/models/x/tokenizer.json').catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(VecpipeError);
    expect(error).toMatchObject({ family: 'usage', code });
    expect((error as Error).message).toContain('/models/x/tokenizer.json');
    expect((error as Error).message).toContain(words);
  });

  it('leave a sound tokenizer alone: the shipped one opens', async () => {
    const shipped = new URL('../../../models/static-en-256/tokenizer.json', import.meta.url);
    const tokenizer = await openTokenizer(JSON.parse(readFileSync(shipped, 'utf8')), 'f');
    expect(tokenizer.idLimit).toBe(30_522);
  });
});
