import type { Candidate } from './candidate.ts';

/** What can be wrong, in the words of docs/verify.md. */
export const FINDING_KINDS = [
  'missing',
  'stale',
  'orphan',
  'duplicate_chunk',
  'wrong_tenant',
  'wrong_fingerprint',
  'wrong_width',
  'zero_vector',
  'non_finite_vector',
  'vector_differs',
  'leftover_generation',
  'alias_missing',
  'alias_elsewhere',
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** One thing that is not as it should be. Never carries the text of a row, nor its label. */
export interface Finding {
  kind: FindingKind;
  /** The alias. */
  collection: string;
  /** Null where nothing says whose it is. */
  tenant: string | null;
  entity: string | null;
  /** Null where it is not about one row. */
  key: string | null;
  /** Null where it is about a row as a whole, or about none. */
  chunk: number | null;
  /** Null where it is not about one point. */
  pointId: string | null;
  /** What a reader cannot see from the rest, or null. */
  detail: string | null;
}

/** How a finding is repaired, by whoever is asked to. */
export type Repair =
  /** The row is queued, so that a worker decides from the row as it is now. */
  | 'requeue'
  /** Found by comparing rows with the record, which queues what differs. */
  | 'compare'
  /** The point has no row that could be queued: it is deleted. */
  | 'delete_point'
  | 'delete_collection'
  | 'set_alias'
  /** Somebody has to decide. */
  | 'none';

export interface Confirmed {
  finding: Finding;
  repair: Repair;
  /** The point to look at once more before it is deleted; null where it is about none. */
  candidate: Candidate | null;
}
