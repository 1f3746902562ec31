import type { CallOptions } from '../../ports/database.ts';
import { invalidModel } from './model-errors.ts';
import type { OpenFile } from './read-file.ts';

/** One tensor of a file, its values as they are stored: little-endian, row by row. */
export interface Tensor {
  name: string;
  dtype: string;
  shape: readonly number[];
  /** Offsets into the data part of the file. */
  begin: number;
  end: number;
}

export interface Safetensors {
  tensors: ReadonlyMap<string, Tensor>;
  /** The data part of the file as a whole. */
  data: Uint8Array<ArrayBuffer>;
  /** The header as it is in the file, for a hash over the content. */
  header: Uint8Array<ArrayBuffer>;
}

const LENGTH_BYTES = 8;
/** A model has three tensors, some 60 bytes of header each; a length beyond this is not one. */
const MAX_HEADER_BYTES = 1024 * 1024;
const METADATA = '__metadata__';

/** Bytes a value, for the types whose size the header can be checked against. */
const VALUE_BYTES: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['I8', 1],
  ['U8', 1],
  ['I16', 2],
  ['U16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['I32', 4],
  ['U32', 4],
  ['F32', 4],
  ['I64', 8],
  ['U64', 8],
  ['F64', 8],
]);

/**
 * Reads a file in the safetensors format (https://github.com/huggingface/safetensors#format): eight bytes of
 * header length, a JSON header, the data. Trusts nothing in it: every offset is checked before it is used, and
 * no more memory is asked for than the file is long.
 *
 * @throws {VecpipeError} usage, `model_invalid`, when it is not such a file
 */
export async function readSafetensors(file: OpenFile, options: CallOptions): Promise<Safetensors> {
  const headerLength = await readHeaderLength(file, options);
  const header = await file.read(LENGTH_BYTES, headerLength, options);
  const dataStart = LENGTH_BYTES + headerLength;
  const tensors = readHeader(file.path, header, file.size - dataStart);
  const data = await file.read(dataStart, file.size - dataStart, options);
  return { tensors, data, header };
}

async function readHeaderLength(file: OpenFile, options: CallOptions): Promise<number> {
  if (file.size < LENGTH_BYTES) throw notSafetensors(file.path, `it has only ${file.size} bytes`);
  const bytes = await file.read(0, LENGTH_BYTES, options);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw notSafetensors(
      file.path,
      `its header claims ${length} bytes, where ${MAX_HEADER_BYTES} are the most`,
    );
  }
  if (length > BigInt(file.size - LENGTH_BYTES)) {
    throw notSafetensors(file.path, `its header claims ${length} bytes, more than the file has`);
  }
  return Number(length);
}

function readHeader(path: string, header: Uint8Array, dataBytes: number): Map<string, Tensor> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (error) {
    throw notSafetensors(path, 'its header is not JSON', error);
  }
  if (!isRecord(parsed)) throw notSafetensors(path, 'its header is not a JSON object');
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(parsed)) {
    if (name !== METADATA) tensors.set(name, readTensor(path, name, value, dataBytes));
  }
  return tensors;
}

function readTensor(path: string, name: string, value: unknown, dataBytes: number): Tensor {
  const { dtype, shape, data_offsets: offsets } = isRecord(value) ? value : {};
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw invalidModel(path, `describes the tensor "${name}" without a proper dtype, shape and data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    throw invalidModel(
      path,
      `places the tensor "${name}" at bytes ${begin} to ${end} of ${dataBytes}; the file may be cut off`,
    );
  }
  const valueBytes = VALUE_BYTES.get(dtype);
  const values = shape.reduce((product, size) => product * size, 1);
  if (valueBytes !== undefined && values * valueBytes !== end - begin) {
    throw invalidModel(
      path,
      `gives the tensor "${name}" ${end - begin} bytes, which is not its shape [${shape.join(', ')}] in ${dtype}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function notSafetensors(path: string, why: string, cause?: unknown) {
  return invalidModel(path, `is not in the safetensors format: ${why}`, cause);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
