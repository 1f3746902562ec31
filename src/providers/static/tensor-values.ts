import { unsupportedModel } from './model-errors.ts';
import type { Safetensors, Tensor } from './safetensors.ts';

/** A table of numbers in the narrowest form that one loop can read: half floats are widened, the rest is as stored. */
export type TableValues = Int8Array | Float32Array | Float64Array;

/** Values of a tensor of I8, F16, F32 or F64. @throws {VecpipeError} usage, `model_unsupported`, for other types */
export function tableValues(path: string, file: Safetensors, tensor: Tensor): TableValues {
  switch (tensor.dtype) {
    case 'I8':
      return new Int8Array(file.data.buffer, tensor.begin, tensor.end - tensor.begin);
    case 'F16':
      return widenHalfFloats(new Uint16Array(alignedBytes(file, tensor)));
    case 'F32':
      return new Float32Array(alignedBytes(file, tensor));
    case 'F64':
      return new Float64Array(alignedBytes(file, tensor));
    default:
      throw unsupportedTensor(path, tensor, ['I8', 'F16', 'F32', 'F64']);
  }
}

/** Values of a tensor of I32 or I64; those outside the range of an Int32 become -1. @throws as `tableValues` */
export function indexValues(path: string, file: Safetensors, tensor: Tensor): Int32Array {
  switch (tensor.dtype) {
    case 'I32':
      return new Int32Array(alignedBytes(file, tensor));
    case 'I64':
      return Int32Array.from(new BigInt64Array(alignedBytes(file, tensor)), (index) =>
        index >= 0n && index < 2n ** 31n ? Number(index) : -1,
      );
    default:
      throw unsupportedTensor(path, tensor, ['I32', 'I64']);
  }
}

function unsupportedTensor(path: string, { name, dtype }: Tensor, supported: string[]) {
  return unsupportedModel(
    path,
    `holds the tensor "${name}" as ${dtype}, which vecpipe does not read`,
    `save the model with "${name}" in one of ${supported.join(', ')}`,
  );
}

/**
 * The bytes of a tensor as a buffer of their own: a typed array has to start at a multiple of its value's size,
 * which the format does not promise. Copying also lets go of the file as a whole.
 */
function alignedBytes({ data }: Safetensors, { begin, end }: Tensor): ArrayBuffer {
  return data.buffer.slice(begin, end);
}

/** IEEE 754 binary16: one sign bit, five of exponent (bias 15), ten of fraction. */
function widenHalfFloats(halves: Uint16Array): Float32Array {
  // Each of the 65,536 halves once, then a look-up a value: a model has millions.
  const widened = Float32Array.from({ length: 2 ** 16 }, (_, half) => {
    const sign = half >= 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  const values = new Float32Array(halves.length);
  for (let at = 0; at < halves.length; at++) values[at] = widened[halves[at] as number] as number;
  return values;
}
