import type { CallOptions } from '../ports/database.ts';
import { FINDING_KINDS } from './finding.ts';
import type { Confirmed, Finding, FindingKind } from './finding.ts';
import { SpilledList } from './spilled-list.ts';
import type { Unit } from './unit.ts';
import { keepsMoving, passOver, wasMoved } from './verify-collection.ts';
import type { Pass, VerifyContext, VerifyOptions } from './verify-collection.ts';

/** Findings of one kind of a tenant's entity. */
export interface FindingCount {
  collection: string;
  tenant: string | null;
  entity: string | null;
  kind: FindingKind;
  count: number;
}

export interface CollectionResult extends Omit<Pass, 'keyless'> {
  collection: string;
  entity: string;
  tenants: string[];
}

/** What a verification found. */
export interface Verification {
  collections: CollectionResult[];
  keyless: Pass['keyless'];
  /** In the order of the collections, then of the kinds. */
  counts: FindingCount[];
  findings: number;
  examples: Finding[];
}

export function noVerification(): Verification {
  return { collections: [], keyless: [], counts: [], findings: 0, examples: [] };
}

export interface VerifyRunOptions extends VerifyOptions {
  /** Examples kept at the most. */
  examples: number;
  /** Awaited with everything that is wrong with a collection once its pass has ended, group by group. */
  onFound?: (unit: Unit, confirmed: readonly Confirmed[]) => Promise<void>;
}

/** Passes over a collection whose generation is replaced meanwhile. */
const MOST_PASSES = 3;
const GROUP = 500;

/**
 * Proves that collections hold what their rows say, or says where they do not. Changes nothing. Memory does not depend
 * on the number of rows, points or findings.
 * @param result filled as far as the collections were verified
 * @throws {VecpipeError} whatever database, source, store or provider throw
 */
export async function verify(
  context: VerifyContext,
  units: readonly Unit[],
  options: VerifyRunOptions,
  result: Verification = noVerification(),
): Promise<Verification> {
  for (const unit of units) {
    context.report({ type: 'step', message: `Verifying ${unit.collection}` });
    await verifyUnit(context, unit, options, result);
  }
  return result;
}

async function verifyUnit(
  context: VerifyContext,
  unit: Unit,
  options: VerifyRunOptions,
  result: Verification,
): Promise<void> {
  for (let number = 1; number <= MOST_PASSES; number += 1) {
    // What a pass found counts when it has ended: until then the generation may be replaced.
    await using found = new SpilledList<Confirmed>();
    const keep = async (confirmed: readonly Confirmed[]) => {
      for (const each of confirmed) await found.push(each);
    };
    try {
      const { keyless, ...pass } = await passOver(context, unit, options, keep);
      const { collection, entity } = unit;
      const tenants = unit.sources.map(({ tenant }) => tenant);
      result.collections.push({ collection, entity, tenants, ...pass });
      result.keyless.push(...keyless);
    } catch (error) {
      if (!wasMoved(error)) throw error;
      context.report({
        type: 'notice',
        message: `${unit.collection} has a new generation; verifying that one`,
      });
      continue;
    }
    await take(unit, found, options, result);
    return;
  }
  throw keepsMoving(unit.collection);
}

async function take(
  unit: Unit,
  found: SpilledList<Confirmed>,
  { examples, onFound }: Pick<VerifyRunOptions, 'examples' | 'onFound'> & CallOptions,
  result: Verification,
): Promise<void> {
  const counts = new Map<string, FindingCount>();
  try {
    for await (const group of found.groups(GROUP)) {
      for (const { finding } of group) {
        const { collection, tenant, entity, kind } = finding;
        const name = JSON.stringify([tenant, entity, kind]);
        const count = counts.get(name) ?? { collection, tenant, entity, kind, count: 0 };
        count.count += 1;
        counts.set(name, count);
        if (result.examples.length < examples) result.examples.push(finding);
      }
      result.findings += group.length;
      await onFound?.(unit, group);
    }
  } finally {
    // Also where they could not be handed on: the report says what was seen.
    result.counts.push(...[...counts.values()].toSorted(byTenantAndKind));
  }
}

function byTenantAndKind(one: FindingCount, other: FindingCount): number {
  const [a, b] = [one.tenant ?? '', other.tenant ?? ''];
  if (a !== b) return a < b ? -1 : 1;
  return FINDING_KINDS.indexOf(one.kind) - FINDING_KINDS.indexOf(other.kind);
}
