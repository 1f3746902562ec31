import type { PointIdentity, StoredPoint } from '../ports/vector-store.ts';
import type { FindingKind } from './finding.ts';
import type { GenerationRecord } from '../reindex/generation-records.ts';

/** The point that a row should have. */
export interface OwnedPoint {
  tenant: string;
  entity: string;
  key: string;
  chunk: number;
}

/** What is wrong with a point that is where it should be, or null. */
export function faultOfPoint(
  owner: OwnedPoint,
  textHash: string,
  generation: Pick<GenerationRecord, 'fingerprint' | 'dimensions'>,
  identity: PointIdentity | null,
  vector: StoredPoint['vector'],
): FindingKind | null {
  if (
    identity === null ||
    identity.tenant !== owner.tenant ||
    identity.entity !== owner.entity ||
    identity.key !== owner.key ||
    identity.chunk !== owner.chunk
  ) {
    return 'wrong_tenant';
  }
  if (identity.fingerprint !== generation.fingerprint) return 'wrong_fingerprint';
  // An empty one is that of a row whose record was withdrawn, and which is then queued or found by its row hash.
  if (identity.hash !== textHash && textHash !== '') return 'stale';
  return vector === undefined ? null : faultOfVector(vector, generation.dimensions);
}

function faultOfVector(vector: Float32Array, dimensions: number): FindingKind | null {
  if (vector.length !== dimensions) return 'wrong_width';
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (!Number.isFinite(squares)) return 'non_finite_vector';
  return squares === 0 ? 'zero_vector' : null;
}
