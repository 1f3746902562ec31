/** How the vectors of the tokens become the one of the text. */
export type Pooling = 'mean' | 'cls';

/**
 * Pools what a model computed for a padded batch and scales each vector to unit length; one without a direction
 * stays zero. Tokens of padding count for nothing.
 *
 * @param states numbers of [texts, paddedLength, dimensions], row after row
 * @param lengths tokens of each text; the rest of its row is padding
 * @returns numbers of [texts, dimensions]
 */
export function pool(
  states: Float32Array,
  lengths: Int32Array,
  paddedLength: number,
  dimensions: number,
  pooling: Pooling,
): Float32Array<ArrayBuffer> {
  const vectors = new Float32Array(lengths.length * dimensions);
  for (let text = 0; text < lengths.length; text++) {
    const vector = vectors.subarray(text * dimensions, (text + 1) * dimensions);
    const start = text * paddedLength * dimensions;
    // The sum has the direction of the mean.
    const tokens = pooling === 'cls' ? 1 : (lengths[text] as number);
    for (let token = 0; token < tokens; token++) {
      const at = start + token * dimensions;
      for (let index = 0; index < dimensions; index++) {
        vector[index] = (vector[index] as number) + (states[at + index] as number);
      }
    }
    scaleToUnit(vector);
  }
  return vectors;
}

/** Scales each row of `dimensions` numbers to unit length, in a copy. */
export function unitRows(rows: Float32Array, dimensions: number): Float32Array<ArrayBuffer> {
  const vectors = new Float32Array(rows);
  for (let start = 0; start < vectors.length; start += dimensions) {
    scaleToUnit(vectors.subarray(start, start + dimensions));
  }
  return vectors;
}

function scaleToUnit(vector: Float32Array): void {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (squares === 0) return;
  const factor = 1 / Math.sqrt(squares);
  for (let index = 0; index < vector.length; index++) vector[index] = (vector[index] as number) * factor;
}
