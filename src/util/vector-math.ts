export function lengthOf(vector: Float32Array): number {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.sqrt(squares);
}

/** Cosine similarity of two vectors of the same width, whatever their lengths. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  a.forEach((value, index) => (dot += value * (b[index] ?? 0)));
  return dot / (lengthOf(a) * lengthOf(b));
}
