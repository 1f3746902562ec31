import type { CallOptions, Database } from '../ports/database.ts';
import type { StoredPoint, VectorStore } from '../ports/vector-store.ts';
import type { Candidate } from './candidate.ts';
import type { Confirmed, FindingKind, Repair } from './finding.ts';
import { faultOfPoint } from './judge-point.ts';
import type { OwnedPoint } from './judge-point.ts';
import { identityOf } from './point-identity.ts';
import { PointIds } from './point-ids.ts';
import { readKnowledge, wasAtRest } from './recorded-rows.ts';
import type { RowKnowledge } from './recorded-rows.ts';
import type { GenerationRecord } from '../reindex/generation-records.ts';

/** What points are judged by. */
export interface PointJudge {
  database: Database;
  store: VectorStore;
  generation: GenerationRecord;
  /** Of the unit: the alias and its one entity. */
  collection: string;
  entity: string;
  /** Tenants that are verified. */
  selected: ReadonlySet<string>;
  /** Other tenants that something is recorded for: their points are somebody else's. */
  others: readonly string[];
  withVectors: boolean;
  /** False where the store has lost the physical collection. */
  exists: boolean;
}

/**
 * Looks at candidates again: the record, the point, and the record once more. What was queued or recorded anew
 * meanwhile is no finding, nor is what looks right now, so that a pass over a moving collection invents nothing.
 * @throws {GenerationMovedError}
 */
export async function confirmPoints(
  judge: PointJudge,
  candidates: readonly Candidate[],
  options: CallOptions,
): Promise<Confirmed[]> {
  const { database, store, generation, withVectors } = judge;
  const rows = candidates.flatMap(({ owner, claimed }) => owner ?? claimed ?? []);
  const before = await readKnowledge(database, generation.id, rows, options);
  const ids = candidates.map(({ id }) => id);
  const points = judge.exists
    ? await store.retrieve(generation.physical, ids, { ...options, withVectors })
    : [];
  const after = await readKnowledge(database, generation.id, rows, options);

  const byId = new Map(points.map((point) => [point.id, point]));
  let next = 0;
  return candidates.flatMap((candidate) => {
    const point = byId.get(candidate.id) ?? null;
    const row = candidate.owner ?? candidate.claimed;
    if (row === null)
      return point && identityOf(point.payload) === null ? [orphan(judge, candidate, null)] : [];
    const [known, knownAfter] = [before[next], after[next]];
    next += 1;
    if (!knownAfter || !wasAtRest(known, knownAfter)) return [];
    const confirmed = candidate.owner
      ? judgeOwn(judge, candidate, candidate.owner, point, knownAfter)
      : judgeClaim(judge, candidate, row, point, knownAfter);
    return confirmed ?? [];
  });
}

function judgeOwn(
  judge: PointJudge,
  candidate: Candidate,
  owner: OwnedPoint,
  point: StoredPoint | null,
  { recorded, isOwned }: RowKnowledge,
): Confirmed | null {
  const isExpected = recorded !== null && owner.chunk < recorded.chunks;
  if (isOfOthers(judge, owner, isOwned)) return null;
  if (!isExpected) {
    if (point === null) return null;
    const canBeQueued = judge.selected.has(owner.tenant) && owner.entity === judge.entity;
    return found(judge, candidate, 'orphan', owner, canBeQueued ? 'requeue' : 'delete_point');
  }
  if (point === null) return found(judge, candidate, 'missing', owner, 'requeue');
  const identity = identityOf(point.payload);
  const fault = faultOfPoint(owner, recorded.textHash, judge.generation, identity, point.vector);
  return fault && found(judge, candidate, fault, owner, 'requeue');
}

/** A point that names a row whose point it is not. */
function judgeClaim(
  judge: PointJudge,
  candidate: Candidate,
  claimed: OwnedPoint,
  point: StoredPoint | null,
  { recorded, isOwned }: RowKnowledge,
): Confirmed | null {
  const identity = point && identityOf(point.payload);
  if (identity === null || !isSamePoint(identity, claimed) || isOfOthers(judge, claimed, isOwned))
    return null;
  const { tenant, entity, key, chunk } = claimed;
  // That of another tenant's row, with a payload that names this one: a finding of that tenant's.
  if (
    judge.others.some(
      (other) => other !== tenant && new PointIds(other, entity).of(key, chunk) === candidate.id,
    )
  )
    return null;
  if (recorded === null || chunk >= recorded.chunks) return orphan(judge, candidate, claimed);
  return found(judge, candidate, 'duplicate_chunk', claimed, 'delete_point');
}

function isOfOthers({ selected }: PointJudge, { tenant }: OwnedPoint, isOwned: boolean): boolean {
  return !selected.has(tenant) && isOwned;
}

function isSamePoint(one: OwnedPoint, other: OwnedPoint): boolean {
  return (
    one.tenant === other.tenant &&
    one.entity === other.entity &&
    one.key === other.key &&
    one.chunk === other.chunk
  );
}

function orphan(judge: PointJudge, candidate: Candidate, row: OwnedPoint | null): Confirmed {
  return found(judge, candidate, 'orphan', row, 'delete_point');
}

function found(
  { collection }: PointJudge,
  candidate: Candidate,
  kind: FindingKind,
  row: OwnedPoint | null,
  repair: Repair,
): Confirmed {
  const { tenant = null, entity = null, key = null, chunk = null } = row ?? {};
  const finding = { kind, collection, tenant, entity, key, chunk, pointId: candidate.id, detail: null };
  return { finding, repair, candidate };
}
