/**
 * Makes the tiny transformer under fixtures/tiny-model: `npx jiti scripts/make-tiny-model.ts`. It is a BERT of one
 * layer in the folder layout of transformers.js and sentence-transformers, with weights from a seeded generator, so
 * its vectors mean nothing; but they depend on the order of the tokens, on their neighbours and on the attention mask,
 * as those of a real one do.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bertGraph } from './tiny-model/bert-graph.ts';
import { onnxModel } from './tiny-model/onnx-file.ts';
import { tinyTokenizer } from './tiny-model/tiny-tokenizer.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/tiny-model', import.meta.url));
const SHAPE = { width: 32, inner: 64, positions: 64 };

const tokenizer = tinyTokenizer();
const vocabulary = Object.keys(tokenizer.model.vocab).length;
const graph = { ...SHAPE, vocabulary, seed: 20 };

const FILES: Record<string, unknown> = {
  'config.json': {
    architectures: ['BertModel'],
    model_type: 'bert',
    hidden_act: 'relu',
    hidden_size: SHAPE.width,
    intermediate_size: SHAPE.inner,
    num_attention_heads: 1,
    num_hidden_layers: 1,
    max_position_embeddings: SHAPE.positions,
    pad_token_id: 0,
    type_vocab_size: 2,
    vocab_size: vocabulary,
  },
  'tokenizer.json': tokenizer,
  'tokenizer_config.json': { tokenizer_class: 'BertTokenizer', do_lower_case: true, model_max_length: 64 },
  'modules.json': ['Transformer', 'Pooling', 'Normalize'].map((kind, idx) => ({
    idx,
    name: String(idx),
    path: idx === 0 ? '' : `${idx}_${kind}`,
    type: `sentence_transformers.models.${kind}`,
  })),
  '1_Pooling/config.json': {
    word_embedding_dimension: SHAPE.width,
    pooling_mode_cls_token: false,
    pooling_mode_mean_tokens: true,
  },
  'onnx/model.onnx': onnxModel(bertGraph({ ...graph, isQuantized: false })),
  'onnx/model_quantized.onnx': onnxModel(bertGraph({ ...graph, isQuantized: true })),
};

for (const [name, content] of Object.entries(FILES)) {
  const path = join(FOLDER, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content instanceof Uint8Array ? content : `${JSON.stringify(content)}\n`);
}
