import { endianness } from 'node:os';
import type { RefusedText } from '../../ports/embedding-provider.ts';

const NOT_FINITE: RefusedText = {
  code: 'vector_not_finite',
  reason: 'the gateway answered a vector with a number that is not finite',
};
const ZERO: RefusedText = { code: 'vector_zero', reason: 'the gateway answered a vector of zeros' };
/** Float32 numbers of a vector of unit length do not add up to exactly 1. */
const UNIT_TOLERANCE = 1e-5;
/** `=` */
const PADDING = 0x3d;

/**
 * Base64 of little-endian float32 numbers
 * (https://platform.openai.com/docs/api-reference/embeddings/create#embeddings-create-encoding_format). Null when it
 * is not base64 of whole numbers.
 */
export function decodeBase64(text: string): Float32Array | null {
  let length = text.length;
  while (length > 0 && text.charCodeAt(length - 1) === PADDING) length -= 1;
  const bytes = Math.floor((length * 3) / 4);
  if (bytes === 0 || bytes % Float32Array.BYTES_PER_ELEMENT !== 0) return null;
  // Decoded into the vector's own memory: a view on Node's shared pool need not be aligned.
  const vector = new Float32Array(bytes / Float32Array.BYTES_PER_ELEMENT);
  const buffer = Buffer.from(vector.buffer);
  if (buffer.write(text, 'base64') !== bytes) return null;
  if (endianness() === 'BE') buffer.swap32();
  return vector;
}

/** Null when it is not a list of numbers; a `null` in it is a number that JSON cannot write. */
export function decodeNumbers(list: readonly unknown[]): Float32Array | null {
  if (list.length === 0) return null;
  const vector = new Float32Array(list.length);
  for (let index = 0; index < list.length; index += 1) {
    const value = list[index];
    if (typeof value === 'number') vector[index] = value;
    else if (value === null) vector[index] = Number.NaN;
    else return null;
  }
  return vector;
}

/** Scales a vector to unit length, in place; one that has it already stays as it is, to the last bit. */
export function toUnitLength(vector: Float32Array): Float32Array | RefusedText {
  let squares = 0;
  // By index: the iterator of a typed array takes several times as long.
  for (let index = 0; index < vector.length; index += 1) squares += (vector[index] as number) ** 2;
  if (!Number.isFinite(squares)) return NOT_FINITE;
  if (squares === 0) return ZERO;
  if (Math.abs(squares - 1) <= UNIT_TOLERANCE) return vector;
  const scale = 1 / Math.sqrt(squares);
  for (let index = 0; index < vector.length; index += 1) vector[index] = (vector[index] as number) * scale;
  return vector;
}
