import { limitRun } from '../../credits/limit-run.ts';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import type { Failure } from '../../pipeline/counts.ts';
import { fingerprintOf } from '../../pipeline/fingerprint.ts';
import { targetFailure, VectorizeFailure } from '../../pipeline/vectorize.ts';
import { abandonOthers, nothingToReindex } from '../../reindex/claim-generation.ts';
import { dropGeneration, dropRetired } from '../../reindex/drop-generations.ts';
import { readGenerations } from '../../reindex/generation-records.ts';
import { reindexCollection } from '../../reindex/reindex-collection.ts';
import { rollBack } from '../../reindex/rollback.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import { groupByCollection } from '../collection-groups.ts';
import type { CollectionGroup } from '../collection-groups.ts';
import { waitOptions } from '../max-outage.ts';
import { openGroup, refuseOtherTenants, refuseParts } from '../reindex-groups.ts';
import type { ReindexGroup } from '../reindex-groups.ts';
import { planReindex } from '../reindex-plan.ts';
import type { PlannedGroup } from '../reindex-plan.ts';
import type { CommandContext, CommandResult, EntityReport, Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import type { Session } from '../session.ts';
import { vectorizeSummary } from '../summary.ts';
import { tidy } from '../tidy.ts';
import { batchesInFlight, BATCH_SIZE, maxConnections } from '../work-sizes.ts';
import type { ReindexFlags } from './reindex.ts';

type Context = CommandContext<ReindexFlags>;

/** Rebuilds collections, or goes back to what was there before, or drops it. */
export const reindexMain: Main<ReindexFlags> = async (context) => {
  const { options, io, report, runId } = context;
  const { stop } = io.stop;
  if (options.grace !== undefined) io.stop.graceMs = options.grace;
  const session = await openSession(context, {
    maxConnections: maxConnections(options.concurrency),
    wait: waitOptions(options, stop, report),
  });
  const groups = groupByCollection(session);
  refuseParts(groups);
  if (options.dryRun)
    return options.dropOld ? dropOld(context, session, groups) : plan(context, session, groups);
  await tidy(session, { runId, report, signal: stop, keepsOld: options.rollback === true });
  if (options.rollback) return rollback(context, session, groups);
  if (options.dropOld) return dropOld(context, session, groups);
  return rebuild(context, session, groups);
};

/** A collection that was worked on. */
interface BegunGroup {
  group: ReindexGroup;
  /** Live now. */
  generation: number;
  /** Null where the work did not come to its end. */
  isSwapped: boolean | null;
}

function rebuilt(begun: readonly BegunGroup[]): CommandResult {
  const entities = begun.flatMap(({ group, generation }) => groupReports(group, generation));
  const collections = begun
    .filter(({ isSwapped }) => isSwapped !== null)
    .map(({ group: { collection }, generation, isSwapped }) => ({
      collection,
      generation,
      swapped: isSwapped,
    }));
  return { entities, json: { collections }, summary: vectorizeSummary(entities, false) };
}

async function rebuild(
  context: Context,
  session: Session,
  groups: readonly CollectionGroup[],
): Promise<CommandResult> {
  const { options, io, runId, report } = context;
  const { stop, abort } = io.stop;
  const { database, config } = session;
  const store = await session.store();
  if (options.maxCredits !== undefined) await limitRun(database, runId, options.maxCredits);
  const begun: BegunGroup[] = [];
  const result = () => rebuilt(begun);
  context.partial = result;
  const failures: Failure[] = [];
  let failed: VecpipeError | undefined;
  for (const each of groups) {
    if (stop.aborted) break;
    try {
      const group = await openGroup(session, each, {
        report,
        signal: stop,
        hasCreditLimit: options.maxCredits !== undefined,
      });
      const ready = await isToRebuild(context, session, each, group);
      if (!ready) continue;
      const entry: BegunGroup = { group, generation: ready.liveNumber, isSwapped: null };
      begun.push(entry);
      const isRemote = group.targets.some(({ embedder }) => embedder.provider.requestLimits !== null);
      const outcome = await reindexCollection({ database, store, report }, group, {
        runId,
        retryFailed: options.retryFailed ?? false,
        deleteAll: options.yes ?? false,
        batchSize: options.batchSize ?? BATCH_SIZE,
        batchesInFlight: batchesInFlight(options.concurrency, isRemote),
        leaseMs: config.leaseMs,
        keepMs: options.keep ?? null,
        stop,
        abort,
      });
      entry.generation = outcome.generation;
      entry.isSwapped = outcome.isSwapped;
      failures.push(...outcome.failures);
    } catch (thrown) {
      const error = thrown instanceof VectorizeFailure ? thrown.cause : thrown;
      if (thrown instanceof VectorizeFailure) failures.push(...thrown.failures);
      // A known error concerns its collection alone.
      if (!(error instanceof VecpipeError)) throw error;
      failed ??= error;
      if (groups.length > 1) {
        for (const tenant of each.tenants)
          failures.push(targetFailure({ tenant, entity: each.entity.name }, error));
      }
    }
  }
  if (failed) throw new VectorizeFailure(failed, failures);
  return { ...result(), failures };
}

/** @returns null when nothing has to be done for it, which is said */
async function isToRebuild(
  { options, io, runId, report }: Context,
  session: Session,
  group: CollectionGroup,
  { targets }: ReindexGroup,
): Promise<{ liveNumber: number } | null> {
  const { stop: signal } = io.stop;
  const { database } = session;
  const store = await session.store();
  const { collection } = group;
  const records = await readGenerations(database, store.location, collection, { signal });
  const live = records.find(({ status }) => status === 'live');
  if (!live) {
    if (!options.ifNeeded) throw nothingToReindex(collection);
    report({ type: 'notice', message: `Collection ${collection} has not been built yet` });
    return null;
  }
  const isCurrent = targets.every(({ settings }) => fingerprintOf(settings) === live.fingerprint);
  // One that is live and has a run was swapped by it, and the run had no time to end.
  const isUnderWay = records.some(
    ({ status, fingerprint, runId: builtBy }) =>
      (status === 'building' && fingerprint === live.fingerprint) || (status === 'live' && builtBy !== null),
  );
  if (options.ifNeeded && isCurrent && !isUnderWay) {
    const [{ settings } = live] = targets;
    const wanted = { collection, settings, runId };
    const unwanted = await abandonOthers(database, store.location, wanted, { signal });
    if (unwanted && (await dropGeneration(database, store, unwanted, { signal }))) {
      const message = `Dropped generation ${unwanted.number} of ${collection}, which was begun with other settings`;
      report({ type: 'notice', message });
    }
    report({ type: 'notice', message: `Collection ${collection} is as the config wants it` });
    return null;
  }
  if (!options.yes) await refuseOtherTenants(database, live.id, group, { signal });
  return { liveNumber: live.number };
}

async function rollback(
  context: Context,
  session: Session,
  groups: readonly CollectionGroup[],
): Promise<CommandResult> {
  const { options, io, runId, report } = context;
  const { stop } = io.stop;
  const { database } = session;
  const store = await session.store();
  const lines: string[] = [];
  const collections: { collection: string; generation: number; deleted: number }[] = [];
  for (const { collection, entity, tenants } of groups) {
    const sources = [];
    for (const tenant of tenants)
      sources.push(await openRowSource(database, entity, tenant, { signal: stop }));
    const unit = { collection, entity: entity.name, sources };
    const { live, retired, deleted } = await rollBack({ database, store, report }, unit, {
      runId,
      deleteAll: options.yes ?? false,
      stop,
    });
    collections.push({ collection, generation: live.number, deleted });
    lines.push(`${collection} is generation ${live.number} again; generation ${retired.number} is kept`);
  }
  lines.push(
    'Rows that have changed since then are as they were, until `vecpipe vectorize` has run with the settings that it was built with',
  );
  return { json: { collections }, summary: lines };
}

async function dropOld(
  { options, io }: Context,
  session: Session,
  groups: readonly CollectionGroup[],
): Promise<CommandResult> {
  const signal = io.stop.stop;
  const { database } = session;
  const store = await session.store();
  const dropped: { collection: string; generation: number }[] = [];
  for (const { collection } of groups) {
    const generations = options.dryRun
      ? (await readGenerations(database, store.location, collection, { signal })).filter(
          ({ status }) => status === 'retired',
        )
      : await dropRetired(database, store, collection, { signal });
    dropped.push(...generations.map(({ number }) => ({ collection, generation: number })));
  }
  const verb = options.dryRun ? 'Would drop' : 'Dropped';
  const lines = dropped.map(
    ({ collection, generation }) => `${verb} generation ${generation} of ${collection}`,
  );
  return { json: { dropped }, summary: lines.length > 0 ? lines : ['No old generation is kept'] };
}

async function plan(
  context: Context,
  session: Session,
  groups: readonly CollectionGroup[],
): Promise<CommandResult> {
  const { options, io, report } = context;
  const signal = io.stop.stop;
  const { database } = session;
  const store = await session.store();
  const planned: PlannedGroup[] = [];
  for (const each of groups) {
    const records = await readGenerations(database, store.location, each.collection, { signal });
    const live = records.find(({ status }) => status === 'live');
    if (!live && !options.ifNeeded) throw nothingToReindex(each.collection);
    const group = await openGroup(session, each, { report, signal, hasCreditLimit: false });
    const isCurrent = group.targets.every(({ settings }) => fingerprintOf(settings) === live?.fingerprint);
    if (!live || (options.ifNeeded && isCurrent)) continue;
    planned.push({ ...group, live, generation: Math.max(...records.map(({ number }) => number)) + 1 });
  }
  return planReindex(session, planned, { signal });
}

function groupReports({ targets, collection }: ReindexGroup, generation: number): EntityReport[] {
  return targets.map(({ tenant, entity, counts }) => ({ tenant, entity, collection, generation, ...counts }));
}
