/**
 * Makes the tiny static models under fixtures/models: `npx jiti scripts/make-fixture-models.ts`. They differ in
 * what a Model2Vec folder may differ in: number types, vocabulary quantisation, kind of tokenizer. Their vectors
 * mean nothing; `expected.json` beside them holds what Model2Vec itself makes of some texts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type DType = 'I8' | 'F16' | 'F32' | 'F64' | 'I32' | 'I64';

export interface TensorContent {
  dtype: DType;
  shape: number[];
  values: number[];
}

export interface ModelContent {
  config: Record<string, unknown>;
  tokenizer: unknown;
  tensors: Record<string, TensorContent>;
}

const VALUE_BYTES: Record<DType, number> = { I8: 1, F16: 2, F32: 4, F64: 8, I32: 4, I64: 8 };

/** A file in the safetensors format, its header padded to a multiple of eight bytes as the format asks. */
export function safetensorsFile(tensors: Record<string, TensorContent>): Uint8Array {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    const bytes = valueBytes(dtype, values);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const json = JSON.stringify(header);
  return safetensorsOf(json.padEnd(Math.ceil(json.length / 8) * 8), Buffer.concat(parts));
}

/** The same from a header as text and data, neither of them checked. */
export function safetensorsOf(header: string, data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

export async function writeModelFolder(
  folder: string,
  { config, tokenizer, tensors }: ModelContent,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  await writeFile(join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`);
  await writeFile(join(folder, 'model.safetensors'), safetensorsFile(tensors));
}

const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];

/** BERT's kind of tokenizer over a small vocabulary, special tokens first; `[UNK]` is token 1. */
export function wordPieceTokenizer(
  tokens: readonly string[],
  specialTokens: readonly string[] = SPECIAL_TOKENS,
) {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries([...specialTokens, ...tokens].map((token, id) => [token, id])),
    },
  };
}

export const TINY_TOKENS = [
  ...Array.from('abcdefghijklmnopqrstuvwxyz0123456789', (letter) => letter),
  ...Array.from('aeioustrnd', (letter) => `##${letter}`),
  'the',
  'reset',
  'password',
  'check',
  '##out',
  '##ing',
  'work',
  'item',
  'bug',
  '.',
  ',',
  '!',
  '-',
  '中',
];

/** Numbers between -1 and 1 without a pattern, the same every time. */
export function arbitraryNumbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const mixed = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
    return ((Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 8) & 0xffff) / 0x8000 - 1;
  });
}

const TOKEN_COUNT = TINY_TOKENS.length + 4;
const MERGED_ROWS = 24;

export function tinyModels(): Record<string, ModelContent> {
  const tokenizer = wordPieceTokenizer(TINY_TOKENS);
  return {
    // The oldest form: nothing but a table of floats, not even a max_length.
    'tiny-plain': {
      config: { model_type: 'model2vec', normalize: false, hidden_dim: 10 },
      tokenizer,
      tensors: {
        embeddings: { dtype: 'F32', shape: [TOKEN_COUNT, 10], values: arbitraryNumbers(TOKEN_COUNT * 10, 1) },
      },
    },
    // Quantised vocabulary: several tokens share a row and keep weights of their own.
    'tiny-merged': {
      config: {
        normalize: true,
        max_length: 64,
        embedding_dtype: 'int8',
        vocabulary_quantization: MERGED_ROWS,
      },
      tokenizer,
      tensors: {
        weights: {
          dtype: 'F64',
          shape: [TOKEN_COUNT],
          values: arbitraryNumbers(TOKEN_COUNT, 2).map((value) => 0.01 + Math.abs(value)),
        },
        mapping: {
          dtype: 'I64',
          shape: [TOKEN_COUNT],
          values: arbitraryNumbers(TOKEN_COUNT, 3).map((value) =>
            Math.floor(((value + 1) / 2) * MERGED_ROWS),
          ),
        },
        embeddings: {
          dtype: 'I8',
          shape: [MERGED_ROWS, 16],
          values: arbitraryNumbers(MERGED_ROWS * 16, 4).map((value) => Math.round(value * 127)),
        },
      },
    },
    // A tokenizer that is not BERT's, and half floats.
    'tiny-unigram': {
      config: { normalize: true, max_length: null, embedding_dtype: 'float16' },
      tokenizer: unigramTokenizer(),
      tensors: {
        embeddings: {
          dtype: 'F16',
          shape: [UNIGRAM_PIECES.length, 8],
          values: arbitraryNumbers(UNIGRAM_PIECES.length * 8, 5),
        },
      },
    },
  };
}

const UNIGRAM_PIECES: [string, number][] = [
  ['<unk>', 0],
  ['▁', -3],
  ['▁the', -2],
  ['▁reset', -4],
  ['▁pass', -4.5],
  ['word', -4.25],
  ['ing', -3.5],
  ...Array.from('abcdefghijklmnopqrstuvwxyz', (letter, index): [string, number] => [
    letter,
    -6 - index / 100,
  ]),
];

function unigramTokenizer(): Record<string, unknown> {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: null,
    decoder: null,
    model: { type: 'Unigram', unk_id: 0, vocab: UNIGRAM_PIECES, byte_fallback: false },
  };
}

function valueBytes(dtype: DType, values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * VALUE_BYTES[dtype]);
  for (const [index, value] of values.entries()) {
    const at = index * VALUE_BYTES[dtype];
    switch (dtype) {
      case 'I8':
        bytes.writeInt8(value, at);
        break;
      case 'F16':
        bytes.writeUInt16LE(halfFloat(value), at);
        break;
      case 'F32':
        bytes.writeFloatLE(value, at);
        break;
      case 'F64':
        bytes.writeDoubleLE(value, at);
        break;
      case 'I32':
        bytes.writeInt32LE(value, at);
        break;
      case 'I64':
        bytes.writeBigInt64LE(BigInt(value), at);
        break;
      default:
        dtype satisfies never;
    }
  }
  return bytes;
}

/** IEEE 754 binary16 of a number below 65,520 in size, rounded to the nearest, ties to even. */
function halfFloat(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // The exponent of the last of the ten fraction bits; subnormal numbers share the smallest one.
  const exponent = Math.max(size === 0 ? -14 : Math.floor(Math.log2(size)), -14);
  const fraction = roundToEven(size / 2 ** (exponent - 10));
  return sign | (fraction < 1024 ? fraction : ((exponent + 15) << 10) + fraction - 1024);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = fileURLToPath(new URL('../fixtures/models', import.meta.url));
  for (const [name, model] of Object.entries(tinyModels())) await writeModelFolder(join(folder, name), model);
}
