import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { Failure } from '../pipeline/counts.ts';
import type { Target } from '../pipeline/target.ts';
import { targetFailure } from '../pipeline/vectorize.ts';
import type { OpenedTargets } from './open-targets.ts';

/** A tenant's entity. */
type Place = Pick<Target, 'tenant' | 'entity'>;

export interface Judgement {
  /** For each target of the pass what is wrong with it as a whole; nothing, mostly. */
  found: readonly (readonly [Place, Failure[]])[];
  /** Set when somebody has to change something before any of the targets can be worked on. */
  hopeless: VecpipeError | null;
}

/**
 * Sorts out what a pass ended with.
 * @param failures of its rows and of its targets
 * @param error the first of its targets' errors
 * @throws {VecpipeError} `unavailable` when the database or the store was away: that concerns all targets
 */
export function judgePass(
  { targets, unopened }: OpenedTargets,
  failures: readonly Failure[],
  error: VecpipeError | null,
): Judgement {
  const whole = [
    ...unopened.map((target) => targetFailure(target, target.error)),
    ...failures.filter(isOfTarget),
  ];
  const [only, ...others] = targets;
  // With one target the error of the run is its own, and is not listed.
  if (error && only && others.length === 0) whole.push(targetFailure(only, error));

  const errors = [...unopened.map((target) => target.error), ...(error ? [error] : [])];
  const outage = errors.find(isOutage);
  if (outage) throw outage;
  const listed = whole.find(isOutage);
  if (listed) throw new VecpipeError('unavailable', listed.message, { code: listed.code });

  const found = [...targets, ...unopened].map(
    (target) => [target, whole.filter((failure) => isSamePlace(failure, target))] as const,
  );
  const [first] = errors;
  const isHopeless = first?.family === 'usage' && found.every(([, own]) => own.length > 0);
  return { found, hopeless: isHopeless ? first : null };
}

export function isSamePlace(one: Place, other: Place): boolean {
  return one.tenant === other.tenant && one.entity === other.entity;
}

/** Whether it is about a whole target, not about one row. */
export function isOfTarget(failure: Failure): boolean {
  return failure.key === '*';
}

/** Services that no target can do without. A statement that takes too long is its own entity's. */
const OUTAGE_CODES: ReadonlySet<string> = new Set([
  'database_unreachable',
  'database_connection_lost',
  'database_too_many_connections',
  'database_read_only',
  'database_disk_full',
  'database_out_of_memory',
  'database_failed',
  'store_unreachable',
  'store_not_confirmed',
]);

function isOutage({ code }: { code: string }): boolean {
  return OUTAGE_CODES.has(code);
}
