import { targetFailure, vectorize, VectorizeFailure } from '../../pipeline/vectorize.ts';
import { recoverLeases } from '../../runs/recover-leases.ts';
import { entityReport, openTargets } from '../open-targets.ts';
import { planSession } from '../plan-session.ts';
import type { Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import { vectorizeSummary } from '../summary.ts';
import type { VectorizeFlags } from './vectorize.ts';

const BATCH_SIZE = 256;
const BATCHES_IN_FLIGHT = 4;
/** A batch spends most of its time waiting for the endpoint; as many texts as a gateway has requests for by default. */
const REMOTE_BATCHES_IN_FLIGHT = 8;
const MAX_CONNECTIONS = 16;

/** Finds what changed, works the queue off, and says what came of it. */
export const vectorizeMain: Main<VectorizeFlags> = async (context) => {
  const { options, io, report, runId } = context;
  const { stop, abort } = io.stop;
  const batchesFor = (standard: number) => (options.concurrency ?? standard) * (options.workers ?? 1);
  // Each batch under way may want a connection, and the heartbeat must not have to wait for one.
  const maxConnections = Math.min(batchesFor(REMOTE_BATCHES_IN_FLIGHT), MAX_CONNECTIONS) + 2;
  const session = await openSession(context, { maxConnections, recordRun: true, usesProviders: true });
  const shared = {
    queuedOnly: options.queuedOnly ?? false,
    deleteAll: options.yes ?? false,
    retryFailed: options.retryFailed ?? false,
    refresh: options.refresh ?? false,
    limit: options.limit ?? null,
  };
  if (options.dryRun) return planSession(session, { ...shared, signal: stop });

  await recoverLeases(session.database, runId, { signal: stop });
  const { targets, unopened } = await openTargets(session, report, stop);
  const [firstUnopened] = unopened;
  if (firstUnopened && targets.length === 0) throw firstUnopened.error;
  const entityReports = () => targets.map((target) => entityReport(target));
  context.partial = () => ({ entities: entityReports(), summary: vectorizeSummary(entityReports(), false) });
  const { database, config } = session;
  const isRemote = targets.some(({ embedder }) => embedder.provider.requestLimits !== null);
  const work = vectorize({ database, store: await session.store(), report }, targets, {
    ...shared,
    runId,
    batchSize: options.batchSize ?? BATCH_SIZE,
    batchesInFlight: batchesFor(isRemote ? REMOTE_BATCHES_IN_FLIGHT : BATCHES_IN_FLIGHT),
    leaseMs: config.leaseMs,
    stop,
    abort,
  });
  const notOpened = unopened.map((target) => targetFailure(target, target.error));
  const failures = await work.catch((error: unknown) => {
    if (!(error instanceof VectorizeFailure)) throw error;
    throw new VectorizeFailure(error.cause, [...notOpened, ...error.failures]);
  });
  if (firstUnopened) throw new VectorizeFailure(firstUnopened.error, [...notOpened, ...failures]);
  const entities = entityReports();
  return { entities, failures, summary: vectorizeSummary(entities) };
};
