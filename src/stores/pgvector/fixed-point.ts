/**
 * Vectors on their way to Postgres. Its `float4` and pgvector's `vector` are read by `strtof`, which in WebAssembly
 * computes in 128-bit software floats: PGlite stores 900 vectors of 256 dimensions a second that way. Integers are
 * read at once, and multiplying by a power of two changes no digit: 3,900 a second; on a Postgres 16 server 16,500 in
 * place of 11,200. (5,120 rows in batches of 256, one core.)
 */

/** 2^30: numbers from -1 to 1 fit in an `integer`. */
const SCALE = 2 ** 30;

/** Characters of one number at the most, sign and comma included. */
export const FIXED_POINT_BYTES = 12;

/**
 * A unit-length vector as an `integer[]` literal of its numbers times 2^30: exact down to 2^-7, and off by at most
 * 2^-31 below.
 */
export function fixedPointArray(vector: Float32Array): string {
  let text = '';
  for (let index = 0; index < vector.length; index++) {
    if (index > 0) text += ',';
    text += Math.round((vector[index] ?? 0) * SCALE);
  }
  return `{${text}}`;
}

/** The vector that brings each number of a `fixedPointArray` back when it is multiplied with it. */
export function fixedPointUnit(dimensions: number): string {
  return `[${Array.from({ length: dimensions }, () => 1 / SCALE).join(',')}]`;
}
