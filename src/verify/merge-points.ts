import type { StoredPoint } from '../ports/vector-store.ts';
import type { Candidate } from './candidate.ts';
import type { PointJudge } from './confirm-points.ts';
import { faultOfPoint } from './judge-point.ts';
import { identityOf } from './point-identity.ts';
import { PointIds } from './point-ids.ts';
import type { ExpectedPoint } from './sorted-points.ts';

/** Candidates that are looked at again together. */
const TOGETHER = 500;
const UUID_LENGTH = 36;

export interface MergeOptions {
  /** The next page of points in the order of their ids, empty at the end. */
  nextPoints: () => Promise<readonly StoredPoint[]>;
  /** The same of what is recorded, in pages that are not empty. */
  expected: AsyncIterator<ExpectedPoint[]>;
  /** Awaited before the merge goes on. */
  onCandidates: (candidates: Candidate[]) => Promise<void>;
  /** Told how many points were looked at. */
  onPoints: (count: number) => void;
}

/** Walks through both sides at once and hands over what does not agree. Memory is that of a page of each. */
export async function mergePoints(judge: PointJudge, options: MergeOptions): Promise<void> {
  const merge = new Merge(judge);
  const { nextPoints, expected, onCandidates, onPoints } = options;
  let points = await nextPoints();
  let recorded = await nextPage(expected);
  let [p, r] = [0, 0];
  while (points.length > 0 || recorded.length > 0) {
    [p, r] = merge.run(points, p, recorded, r);
    while (merge.candidates.length >= TOGETHER) await onCandidates(merge.candidates.splice(0, TOGETHER));
    if (points.length > 0 && p === points.length) {
      onPoints(points.length);
      points = await nextPoints();
      p = 0;
    }
    if (recorded.length > 0 && r === recorded.length) {
      recorded = await nextPage(expected);
      r = 0;
    }
  }
  if (merge.candidates.length > 0) await onCandidates(merge.candidates);
}

async function nextPage(expected: AsyncIterator<ExpectedPoint[]>): Promise<readonly ExpectedPoint[]> {
  const { done, value } = await expected.next();
  return done ? [] : value;
}

class Merge {
  readonly candidates: Candidate[] = [];
  readonly #judge: PointJudge;
  readonly #ids = new Map<string, PointIds>();

  constructor(judge: PointJudge) {
    this.#judge = judge;
  }

  /** Goes on until a page is used up; an empty one has nothing more behind it. @returns the new places */
  run(
    points: readonly StoredPoint[],
    p: number,
    recorded: readonly ExpectedPoint[],
    r: number,
  ): [number, number] {
    for (;;) {
      const point = points[p];
      const expected = recorded[r];
      if ((!point && points.length > 0) || (!expected && recorded.length > 0) || (!point && !expected))
        return [p, r];
      if (point && (!expected || isBefore(point.id, expected.id))) {
        this.#unaccounted(point);
        p += 1;
      } else if (expected && (!point || expected.id < point.id)) {
        this.#missing(expected);
        r += 1;
      } else if (point && expected) {
        this.#compare(point, expected);
        p += 1;
        r += 1;
      }
    }
  }

  #compare(point: StoredPoint, expected: ExpectedPoint): void {
    const { selected, generation, entity } = this.#judge;
    if (!selected.has(expected.tenant)) return;
    const { tenant, key, chunk, textHash } = expected;
    const owner = { tenant, entity, key, chunk };
    const fault = faultOfPoint(owner, textHash, generation, identityOf(point.payload), point.vector);
    if (fault !== null) this.candidates.push({ id: point.id, owner, claimed: null });
  }

  #missing({ id, tenant, key, chunk }: ExpectedPoint): void {
    const { selected, entity } = this.#judge;
    if (!selected.has(tenant)) return;
    this.candidates.push({ id, owner: { tenant, entity, key, chunk }, claimed: null });
  }

  #unaccounted({ id, payload }: StoredPoint): void {
    const identity = identityOf(payload);
    if (identity === null) {
      this.candidates.push({ id, owner: null, claimed: null });
      return;
    }
    const { tenant, entity, key, chunk } = identity;
    const row = { tenant, entity, key, chunk };
    const isOwn = this.#idsOf(tenant, entity).of(key, chunk) === id;
    this.candidates.push({ id, owner: isOwn ? row : null, claimed: isOwn ? null : row });
  }

  /** Anything may stand in a payload, so not everything is kept. */
  #idsOf(tenant: string, entity: string): PointIds {
    if (entity !== this.#judge.entity || !this.#judge.selected.has(tenant))
      return new PointIds(tenant, entity);
    const known = this.#ids.get(tenant) ?? new PointIds(tenant, entity);
    this.#ids.set(tenant, known);
    return known;
  }
}

/** Ids that are numbers come before all others. */
function isBefore(id: string, other: string): boolean {
  return id.length !== UUID_LENGTH || id < other;
}
