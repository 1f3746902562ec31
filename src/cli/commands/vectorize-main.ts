import { limitRun } from '../../credits/limit-run.ts';
import { targetFailure, vectorize, VectorizeFailure } from '../../pipeline/vectorize.ts';
import type { Report } from '../../ports/run-events.ts';
import { HealthFile } from '../health-file.ts';
import { entityReport, openTargets } from '../open-targets.ts';
import { waitOptions } from '../max-outage.ts';
import { planSession } from '../plan-session.ts';
import type { CommandContext, Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import { vectorizeSummary } from '../summary.ts';
import { workerCount, workerDrain } from '../worker-drain.ts';
import { tidy } from '../tidy.ts';
import { batchesInFlight, BATCH_SIZE, maxConnections } from '../work-sizes.ts';
import { Watch } from '../watch.ts';
import type { Watched } from '../watch.ts';
import type { VectorizeFlags } from './vectorize.ts';

/** Finds what changed, works the queue off, and says what came of it. */
export const vectorizeMain: Main<VectorizeFlags> = async (context) => {
  const { options, io, runId } = context;
  const { stop, abort } = io.stop;
  if (options.grace !== undefined) io.stop.graceMs = options.grace;
  const report = options.watch ? watchReport(context) : context.report;
  const health = await openHealthFile(context);
  const batchSize = options.batchSize ?? BATCH_SIZE;
  const session = await openSession(context, {
    maxConnections: maxConnections(options.concurrency),
    usesProviders: true,
    wait: waitOptions(options, stop, report, (lastError) =>
      health?.set(lastError === null ? { state: 'working', lastError } : { state: 'waiting', lastError }),
    ),
  });
  const shared = {
    queuedOnly: options.queuedOnly ?? false,
    deleteAll: options.yes ?? false,
    retryFailed: options.retryFailed ?? false,
    refresh: options.refresh ?? false,
    limit: options.limit ?? null,
  };
  if (options.dryRun)
    return planSession(session, { ...shared, maxCredits: options.maxCredits ?? null, signal: stop });

  health?.set({ state: 'working' });
  const tidyUp = () => tidy(session, { runId, report, signal: stop });
  if (options.maxCredits !== undefined) await limitRun(session.database, runId, options.maxCredits);
  const open: Watched['open'] = (selected) =>
    openTargets({ ...session, ...selected }, report, {
      signal: stop,
      hasCreditLimit: options.maxCredits !== undefined,
    });
  const { database, config } = session;
  const store = await session.store();
  const workers = workerCount(options, database, report);
  const work: Watched['vectorize'] = (targets, changes) => {
    const isRemote = targets.some(({ embedder }) => embedder.provider.requestLimits !== null);
    const batches = batchesInFlight(options.concurrency, isRemote);
    const drain = workers > 1 ? workerDrain(context, config, { workers, batchSize, batches }) : null;
    return vectorize({ database, store, report }, targets, {
      ...shared,
      runId,
      batchSize,
      batchesInFlight: batches,
      leaseMs: config.leaseMs,
      ...(drain && { drain }),
      // A watch comes back to what others have leased; other targets' rows must not wait for them.
      waitsForOthers: !options.watch,
      abort,
      ...changes,
    });
  };
  const { queuedOnly, retryFailed } = shared;
  if (options.watch) {
    const passes = { queuedOnly, retryFailed, stop, tidy: tidyUp, open, vectorize: work };
    const watch = new Watch({ ...passes, session, report, health });
    context.partial = () => watch.result;
    return watch.run();
  }
  await tidyUp();
  const { targets, unopened } = await open(session);
  const [firstUnopened] = unopened;
  if (firstUnopened && targets.length === 0) throw firstUnopened.error;
  const entityReports = () => targets.map((target) => entityReport(target));
  context.partial = () => ({ entities: entityReports(), summary: vectorizeSummary(entityReports(), false) });
  const notOpened = unopened.map((target) => targetFailure(target, target.error));
  const failures = await work(targets, { queuedOnly, retryFailed, stop }).catch((error: unknown) => {
    if (!(error instanceof VectorizeFailure)) throw error;
    throw new VectorizeFailure(error.cause, [...notOpened, ...error.failures]);
  });
  if (firstUnopened) throw new VectorizeFailure(firstUnopened.error, [...notOpened, ...failures]);
  const entities = entityReports();
  return { entities, failures, summary: vectorizeSummary(entities) };
};

async function openHealthFile({
  options: { healthFile },
  io,
  runId,
  report,
  scope,
}: CommandContext<VectorizeFlags>): Promise<HealthFile | null> {
  if (healthFile === undefined) return null;
  const { workingDirectory, stop } = io;
  const opened = await HealthFile.open(healthFile, { runId, workingDirectory, stop: stop.stop, report });
  return scope.use('the health file', opened);
}

/** A bar would begin anew with every pass, and failed rows would not be told before the end. */
function watchReport({ report, options }: CommandContext<VectorizeFlags>): Report {
  return (event) => {
    if (event.type === 'progress') return;
    report(event);
    if (event.type === 'row_failed' && options.logFormat === 'pretty') {
      const { entity, key, message, code } = event;
      report({ type: 'warning', message: `failed ${entity} ${key}: ${message} (${code})` });
    }
  };
}
