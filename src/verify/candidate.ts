import type { OwnedPoint } from './judge-point.ts';

/** A point that looks wrong and has to be looked at once more: the two sides were not read at one instant. */
export interface Candidate {
  id: string;
  /** The row whose point has this id; null where none is known. */
  owner: OwnedPoint | null;
  /** What the point says that it is, where that is not its owner. */
  claimed: OwnedPoint | null;
}
