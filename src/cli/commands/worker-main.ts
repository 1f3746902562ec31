import { usageError } from '../../errors/vecpipe-error.ts';
import { waitOrAbort } from '../../lifetime/abort.ts';
import { drainQueue } from '../../pipeline/drain-queue.ts';
import type { Target } from '../../pipeline/target.ts';
import type { Report, RunEvent } from '../../ports/run-events.ts';
import { DoneReporter } from '../../workers/done-reporter.ts';
import { toSentError } from '../../workers/sent-error.ts';
import type { ParentLink, TargetPlace } from '../../workers/worker-messages.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { waitOptions } from '../max-outage.ts';
import { openTargets } from '../open-targets.ts';
import type { CommandContext, CommandResult, Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import type { WorkerFlags } from './worker.ts';

/** Drains the queue together with its siblings, and tells the run that started it what it has done. */
export const workerMain: Main<WorkerFlags> = async (context) => {
  const { io, scope, runId, options } = context;
  const { parent } = io;
  if (parent === null) {
    throw usageError(
      'worker_alone',
      'vecpipe worker is started by `vecpipe vectorize --workers`, and does nothing by itself',
    );
  }
  scope.defer('the line to the run', () => parent.close());
  if (options.grace !== undefined) io.stop.graceMs = options.grace;
  const places = new Promise<TargetPlace[]>((resolve) => {
    parent.onOrder((order) => {
      if (order.type === 'work') resolve(order.places);
      // As at a signal.
      else io.stop.request({ name: 'its run', exitCode: EXIT_CODES.terminated.code });
    });
  });
  parent.send({ type: 'started', runId });
  try {
    return await work(context, parent, await waitOrAbort(places, io.stop.stop));
  } catch (error) {
    if (!io.stop.stop.aborted) parent.send({ type: 'failed', error: toSentError(error) });
    throw error;
  }
};

async function work(
  context: CommandContext<WorkerFlags>,
  parent: ParentLink,
  places: readonly TargetPlace[],
): Promise<CommandResult> {
  const { options, io, runId } = context;
  const { stop, abort } = io.stop;
  const report: Report = (event) => {
    if (isForPeople(event, options.verbose ?? false)) parent.send({ type: 'event', event });
  };
  const session = await openSession(context, {
    maxConnections: options.batches + 2,
    usesProviders: true,
    wait: waitOptions(options, stop, report),
    parent: { runId: options.run, processes: options.of },
  });
  const opened = await openTargets(session, report, {
    signal: stop,
    hasCreditLimit: options.hasCreditLimit ?? false,
  });
  for (const { tenant, entity, error } of opened.unopened) {
    parent.send({ type: 'broken', place: { tenant, entity }, error: toSentError(error) });
  }
  const targets = places.flatMap((place) => opened.targets.filter((target) => isAt(target, place)));
  const done = new DoneReporter(targets);
  const tell = () => {
    for (const message of done.news()) parent.send(message);
  };
  const reportAndTell: Report = (event) => {
    report(event);
    if (event.type === 'progress') tell();
  };
  const { database, config } = session;
  const broken = await drainQueue(
    { database, store: await session.store(), report: reportAndTell },
    targets,
    {
      runId,
      batchSize: options.batchSize,
      batchesInFlight: options.batches,
      leaseMs: config.leaseMs,
      limit: null,
      waitsSilently: true,
      deleteAll: options.yes ?? false,
      stop,
      abort,
    },
  ).finally(tell);
  for (const [{ tenant, entity }, error] of broken) {
    parent.send({ type: 'broken', place: { tenant, entity }, error: toSentError(error) });
  }
  return {};
}

function isAt(target: Target, { tenant, entity }: TargetPlace): boolean {
  return target.tenant === tenant && target.entity === entity;
}

/** The run shows its own steps and progress, and rows one by one only when it is asked to. */
function isForPeople(event: RunEvent, isVerbose: boolean): boolean {
  switch (event.type) {
    case 'notice':
    case 'warning':
    case 'row_failed':
      return true;
    case 'processing':
    case 'embedded':
    case 'stored':
      return isVerbose;
    default:
      return false;
  }
}
