import { endianness } from 'node:os';

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** Base64 of 32-bit floats, little-endian, which both database adapters pass on as plain text. */
export function vectorToText(vector: Float32Array): string {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return (IS_LITTLE_ENDIAN ? bytes : Buffer.from(bytes).swap32()).toString('base64');
}

/** The reverse; Postgres' line breaks are passed over. */
export function vectorFromText(text: string): Float32Array {
  // A copy, since Node cuts small buffers out of a shared one at any offset.
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  if (!IS_LITTLE_ENDIAN) Buffer.from(bytes.buffer).swap32();
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.byteLength / Float32Array.BYTES_PER_ELEMENT));
}
