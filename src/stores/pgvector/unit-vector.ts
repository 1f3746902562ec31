/**
 * The vector at length one, as Qdrant stores it under cosine: itself when it is that long already, or when it is zero
 * and has no direction.
 * @throws {RangeError} when a number is not finite
 */
export function unitVector(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  if (!Number.isFinite(length))
    throw new RangeError('a vector with a number that is not finite cannot be stored');
  if (length === 0 || Math.abs(length - 1) <= 1e-6) return vector;
  return vector.map((value) => value / length);
}
