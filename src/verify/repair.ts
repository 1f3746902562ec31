import { noCounts } from '../pipeline/counts.ts';
import type { Failure } from '../pipeline/counts.ts';
import { queueChanges } from '../pipeline/queue-changes.ts';
import type { CallOptions } from '../ports/database.ts';
import { requeueRows } from '../queue/requeue-rows.ts';
import { confirmPoints } from './confirm-points.ts';
import type { PointJudge } from './confirm-points.ts';
import type { Candidate } from './candidate.ts';
import type { Confirmed, Repair } from './finding.ts';
import { recordedTenants } from './recorded-rows.ts';
import type { ReadableList } from './spilled-list.ts';
import { knownGenerations, templateOf } from './unit.ts';
import type { Unit } from './unit.ts';
import type { VerifyContext } from './verify-collection.ts';

/** What was done about findings, or would be. */
export interface Repairs {
  /** Rows that were queued because of their points. */
  requeuedRows: number;
  /** Rows that were queued because they are not what is recorded of them. */
  comparedRows: number;
  deletedPoints: number;
  deletedCollections: string[];
  /** Collections whose alias was set to the live generation. */
  aliases: string[];
  /** Findings that nobody but a person can do something about. */
  left: number;
}

export function noRepairs(): Repairs {
  return { requeuedRows: 0, comparedRows: 0, deletedPoints: 0, deletedCollections: [], aliases: [], left: 0 };
}

/** What would be done, from the findings alone. */
export function planRepairs(confirmed: readonly Confirmed[], repairs: Repairs): void {
  for (const { finding, repair } of confirmed) {
    if (repair === 'requeue') repairs.requeuedRows += 1;
    else if (repair === 'compare') repairs.comparedRows += 1;
    else if (repair === 'delete_point') repairs.deletedPoints += 1;
    else if (repair === 'delete_collection') repairs.deletedCollections.push(finding.detail ?? '');
    else if (repair === 'set_alias') repairs.aliases.push(finding.collection);
    else repairs.left += 1;
  }
}

export interface RepairOptions extends CallOptions {
  /** Delete vanished rows even when they are more than the guard lets pass. */
  deleteAll: boolean;
}

/** Findings of a collection that are repaired together. */
const TOGETHER = 500;

/**
 * Repairs one collection: queues rows, so that workers decide from the rows as they are now, and deletes what no row
 * accounts for. What is deleted is looked at once more before. Expects a live generation that can be written to, and
 * that the queue is worked off afterwards. Nothing is queued for tenants that are not among the unit's sources.
 * @param repairs what was done is added to it
 * @returns what a comparison found that cannot be queued, such as too many deletes
 */
export async function repairCollection(
  context: VerifyContext,
  unit: Unit,
  found: ReadableList<Confirmed>,
  repairs: Repairs,
  options: RepairOptions,
): Promise<Failure[]> {
  const repairer = new Repairer(context, unit, repairs, options);
  const differing = new Set<string>();
  for await (const { finding, repair } of found.items()) {
    if (repair === 'compare' && finding.tenant !== null) differing.add(finding.tenant);
  }
  // First, since a row that is gone is queued as deleted here, and stays so.
  const failures = await repairer.compare(differing);
  for await (const group of found.groups(TOGETHER)) await repairer.repair(group);
  return failures;
}

class Repairer {
  readonly #context: VerifyContext;
  readonly #unit: Unit;
  readonly #options: RepairOptions;
  readonly #repairs: Repairs;

  constructor(context: VerifyContext, unit: Unit, repairs: Repairs, options: RepairOptions) {
    this.#context = context;
    this.#unit = unit;
    this.#repairs = repairs;
    this.#options = options;
  }

  async compare(tenants: ReadonlySet<string>): Promise<Failure[]> {
    const { database, store } = this.#context;
    const { collection, sources } = this.#unit;
    const { live } = await knownGenerations(database, store.location, collection, this.#call);
    const failures: Failure[] = [];
    for (const { tenant, open } of sources) {
      if (!tenants.has(tenant)) continue;
      const source = await open(templateOf(live), this.#call);
      const counts = noCounts();
      const { deleteAll } = this.#options;
      const changes = { deleteAll, dryRun: false, ...this.#call };
      failures.push(...(await queueChanges(database, source, live?.id ?? null, counts, changes)).failures);
      this.#repairs.comparedRows += counts.queued;
    }
    return failures;
  }

  async repair(confirmed: readonly Confirmed[]): Promise<void> {
    const of = (wanted: Repair) => confirmed.filter(({ repair }) => repair === wanted);
    await this.#requeue(of('requeue'));
    await this.#deletePoints(of('delete_point').flatMap(({ candidate }) => candidate ?? []));
    for (const { finding } of of('set_alias')) await this.#setAlias(finding.collection);
    for (const { finding } of of('delete_collection')) await this.#deleteCollection(finding.detail ?? '');
    this.#repairs.left += of('none').length;
  }

  get #call(): CallOptions {
    const { signal } = this.#options;
    return signal ? { signal } : {};
  }

  async #requeue(confirmed: readonly Confirmed[]): Promise<void> {
    const byTenant = new Map<string, Set<string>>();
    const workable = new Set(this.#unit.sources.map(({ tenant }) => tenant));
    for (const { finding } of confirmed) {
      if (finding.tenant === null || finding.key === null || !workable.has(finding.tenant)) continue;
      const keys = byTenant.get(finding.tenant) ?? new Set();
      byTenant.set(finding.tenant, keys.add(finding.key));
    }
    for (const [tenant, keys] of byTenant) {
      await requeueRows(this.#context.database, tenant, this.#unit.entity, [...keys], this.#call);
      this.#repairs.requeuedRows += keys.size;
    }
  }

  async #deletePoints(candidates: readonly Candidate[]): Promise<void> {
    if (candidates.length === 0) return;
    const { database, store } = this.#context;
    const { collection, entity, sources } = this.#unit;
    const { live } = await knownGenerations(database, store.location, collection, this.#call);
    if (live === null) return;
    const selected = new Set(sources.map(({ tenant }) => tenant));
    const recorded = await recordedTenants(database, live.id, this.#call);
    const others = recorded.filter((tenant) => !selected.has(tenant));
    const place = { database, store, generation: live, collection, entity, selected, others };
    const judge: PointJudge = { ...place, withVectors: false, exists: true };
    const again = await confirmPoints(judge, candidates, this.#call);
    const ids = again.flatMap(({ repair, finding }) =>
      repair === 'delete_point' && finding.pointId !== null ? finding.pointId : [],
    );
    if (ids.length === 0) return;
    await store.deletePoints(live.physical, ids, this.#call);
    this.#repairs.deletedPoints += ids.length;
  }

  async #deleteCollection(physical: string): Promise<void> {
    const { database, store } = this.#context;
    const aliases = await store.listAliases(this.#call);
    if ([...aliases.values()].includes(physical)) return;
    const { dropped } = await knownGenerations(database, store.location, this.#unit.collection, this.#call);
    if (!dropped.has(physical)) return;
    await store.deleteCollection(physical, this.#call);
    this.#repairs.deletedCollections.push(physical);
  }

  async #setAlias(collection: string): Promise<void> {
    const { database, store } = this.#context;
    const { live } = await knownGenerations(database, store.location, collection, this.#call);
    if (live === null) return;
    if ((await store.resolveAlias(collection, this.#call)) !== live.physical)
      await store.setAlias(collection, live.physical, this.#call);
    this.#repairs.aliases.push(collection);
  }
}
