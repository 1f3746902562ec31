import type { ScoredPoint } from '../ports/vector-store.ts';

/** Best score first; points with the very same score in the order of their ids, so that every run lists them alike. */
export function nearestFirst(points: readonly ScoredPoint[]): ScoredPoint[] {
  return points.toSorted((one, other) => other.score - one.score || (one.id < other.id ? -1 : 1));
}
