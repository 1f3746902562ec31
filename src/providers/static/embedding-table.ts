import { invalidModel } from './model-errors.ts';
import type { Safetensors, Tensor } from './safetensors.ts';
import { indexValues, tableValues } from './tensor-values.ts';
import type { TableValues } from './tensor-values.ts';

/** The vectors of a model's tokens, as a Model2Vec folder holds them. */
export interface EmbeddingTable {
  dimensions: number;
  /** Row after row. */
  values: TableValues;
  /** Factor of each token (not of each row); null when all are 1. */
  weights: Float64Array | null;
  /** Row of each token; null when a token's id is its row. */
  rows: Int32Array | null;
}

const MAX_DIMENSIONS = 2 ** 16;

/**
 * Takes `embeddings`, `weights` and `mapping` out of a model file. Their meaning is that of Model2Vec's
 * `StaticModel` (https://github.com/MinishLab/model2vec, model2vec/model.py): token `t` stands for
 * `weights[t] * embeddings[mapping[t]]`, both optional tensors being indexed by the token, so that tokens whose
 * vectors vocabulary quantisation has merged into one row keep weights of their own.
 *
 * @param idLimit every id of the tokenizer is below it
 * @throws {VecpipeError} usage: `model_invalid` when a tensor is missing or the shapes disagree, `model_unsupported`
 * for a type of number that is not read
 */
export function readEmbeddingTable(path: string, file: Safetensors, idLimit: number): EmbeddingTable {
  const embeddings = file.tensors.get('embeddings');
  if (embeddings === undefined) throw invalidModel(path, 'has no tensor "embeddings"');
  const [rowCount, dimensions] = shapeOf(path, embeddings, 2) as [number, number];
  if (rowCount === 0 || dimensions === 0 || dimensions > MAX_DIMENSIONS) {
    throw invalidModel(path, `has "embeddings" of the impossible shape [${embeddings.shape.join(', ')}]`);
  }
  const weights = file.tensors.get('weights');
  const mapping = file.tensors.get('mapping');
  if (mapping === undefined) checkLength(path, 'embeddings', rowCount, idLimit);
  return {
    dimensions,
    values: tableValues(path, file, embeddings),
    weights: weights === undefined ? null : readWeights(path, file, weights, idLimit),
    rows: mapping === undefined ? null : readMapping(path, file, mapping, idLimit, rowCount),
  };
}

function readWeights(path: string, file: Safetensors, tensor: Tensor, idLimit: number): Float64Array {
  shapeOf(path, tensor, 1);
  const weights = new Float64Array(tableValues(path, file, tensor));
  checkLength(path, tensor.name, weights.length, idLimit);
  return weights;
}

function readMapping(
  path: string,
  file: Safetensors,
  tensor: Tensor,
  idLimit: number,
  rowCount: number,
): Int32Array {
  shapeOf(path, tensor, 1);
  const rows = indexValues(path, file, tensor);
  checkLength(path, tensor.name, rows.length, idLimit);
  if (rows.some((row) => row < 0 || row >= rowCount)) {
    throw invalidModel(
      path,
      `maps a token to a row that "embeddings" with its ${rowCount} rows does not have`,
    );
  }
  return rows;
}

function shapeOf(path: string, { name, shape }: Tensor, rank: number): readonly number[] {
  if (shape.length === rank) return shape;
  throw invalidModel(
    path,
    `has "${name}" of shape [${shape.join(', ')}], where ${rank} dimension${rank === 1 ? ' is' : 's are'} needed`,
  );
}

function checkLength(path: string, name: string, length: number, idLimit: number): void {
  if (length === idLimit) return;
  throw invalidModel(path, `has "${name}" for ${length} tokens, but the tokenizer beside it has ${idLimit}`);
}
