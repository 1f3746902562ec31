import { randomInt } from 'node:crypto';
import { settleReservations } from '../../credits/settle-reservations.ts';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import type { Failure } from '../../pipeline/counts.ts';
import { fingerprintSettings } from '../../pipeline/fingerprint.ts';
import { targetFailure, vectorize, VectorizeFailure } from '../../pipeline/vectorize.ts';
import { recoverLeases } from '../../runs/recover-leases.ts';
import type { Confirmed } from '../../verify/finding.ts';
import { noRepairs, planRepairs, repairCollection } from '../../verify/repair.ts';
import type { Repairs } from '../../verify/repair.ts';
import { SpilledList } from '../../verify/spilled-list.ts';
import type { ReadableList } from '../../verify/spilled-list.ts';
import type { Unit } from '../../verify/unit.ts';
import { noVerification, verify } from '../../verify/verify.ts';
import type { Verification, VerifyRunOptions } from '../../verify/verify.ts';
import { counted } from '../counted.ts';
import { FindingsFile } from '../findings-file.ts';
import { waitOptions } from '../max-outage.ts';
import { entityReport, openTargets } from '../open-targets.ts';
import type { CommandContext, CommandResult, EntityReport, Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import type { Session } from '../session.ts';
import { vectorizeSummary } from '../summary.ts';
import { repairsLine, verificationSummary, verificationText } from '../verify-table.ts';
import { verifyUnits } from '../verify-units.ts';
import { BATCHES_IN_FLIGHT, BATCH_SIZE, maxConnections } from '../work-sizes.ts';
import type { VerifyFlags } from './verify.ts';

type Context = CommandContext<VerifyFlags>;

const EXAMPLES = 10;
const REPAIRED_TOGETHER = 500;
const LARGEST_SEED = 2 ** 31;

/** What was seen and done so far, for the report. */
interface Progress {
  verification: Verification;
  /** Of the first pass, when a second one has begun. */
  before: Verification | null;
  repairs: Repairs | null;
  isPlan: boolean;
  entities: EntityReport[];
  failures: Failure[];
}

/** Compares rows, record and points; with `--fix` repairs what differs, and compares once more. */
export const verifyMain: Main<VerifyFlags> = async (context) => {
  const { options, io, scope, report } = context;
  const signal = io.stop.stop;
  const isFixing = options.fix === true && !options.dryRun;
  const session = await openSession(
    // Only looking needs no right to write; repairing is a run like any other, and listed as one.
    isFixing ? { ...context, command: 'verify --fix' } : context,
    {
      maxConnections: maxConnections(BATCHES_IN_FLIGHT),
      usesProviders: true,
      wait: waitOptions(options, signal, report),
    },
  );
  const file =
    options.findings === undefined
      ? null
      : scope.use('the file of findings', await FindingsFile.open(options.findings, io.workingDirectory));
  const units = verifyUnits(session);
  const progress: Progress = {
    verification: noVerification(),
    before: null,
    repairs: null,
    isPlan: false,
    entities: [],
    failures: [],
  };
  context.partial = () => resultOf(progress);
  const store = await session.store();
  const pass = (onFound: VerifyRunOptions['onFound'], verification: Verification) => {
    progress.verification = verification;
    return verify(
      { database: session.database, store, report },
      units,
      {
        isFast: options.fast ?? false,
        withVectors: options.vectors ?? false,
        sample: options.sample ?? 0,
        seed: randomInt(LARGEST_SEED),
        examples: options.examples ?? EXAMPLES,
        providerOf: providerFinder(context, session),
        signal,
        ...(onFound && { onFound }),
      },
      verification,
    );
  };
  const writeAll = (confirmed: readonly Confirmed[]) => file?.write(confirmed.map(({ finding }) => finding));

  if (!options.fix) {
    await pass(async (_unit, confirmed) => writeAll(confirmed), progress.verification);
  } else {
    await using found = new Found();
    await pass(async (unit, confirmed) => {
      await writeAll(confirmed);
      await found.keep(unit, confirmed);
    }, progress.verification);
    if (options.dryRun) {
      progress.isPlan = true;
      progress.repairs = await found.plan();
    } else if (hasWork(progress.verification)) {
      progress.failures.push(...(await fix(context, session, found, progress)));
      progress.before = progress.verification;
      await pass(undefined, noVerification());
    }
  }
  return end(context, progress);
};

/** Queued rows may be all that is left of a repair that was interrupted. */
function hasWork({ findings, collections }: Verification): boolean {
  return findings > 0 || collections.some(({ queuedRows }) => queuedRows > 0);
}

/** @throws {VecpipeError} `drift` when something was found and not repaired */
function end(context: Context, progress: Progress): CommandResult {
  const { verification } = progress;
  for (const { tenant, rows, source } of verification.keyless) {
    const message = `${rows} rows of ${source.description} are not stored because their key (${source.entity.keyColumns.join(', ')}) is null`;
    progress.failures.push({ tenant, entity: source.entity.name, key: '*', code: 'key_null', message });
  }
  for (const { collection, changedSettings } of verification.collections) {
    if (changedSettings.length === 0) continue;
    const message = `${collection} was built with another ${changedSettings.join(', ')} than the config has now; \`vecpipe reindex\` builds it anew`;
    context.report({ type: 'warning', message });
  }
  if (verification.findings === 0) return resultOf(progress);
  const { fix, dryRun } = context.options;
  throw new VecpipeError(
    'drift',
    `${counted(verification.findings, 'finding')} in ${counted(new Set(verification.counts.map(({ collection }) => collection)).size, 'collection')}${progress.before ? ' after the repair' : ''}`,
    {
      code: 'verify_found_drift',
      hint:
        fix && !dryRun
          ? 'docs/verify.md says what each kind is and what repairs it'
          : 'run `vecpipe verify --fix` to repair what can be repaired',
    },
  );
}

function resultOf({ verification, before, repairs, isPlan, entities, failures }: Progress): CommandResult {
  const { keyless: _keyless, ...seen } = verification;
  const first = before && { findings: before.findings, counts: before.counts, examples: before.examples };
  return {
    entities,
    failures,
    json: { verify: { ...seen, repairs, before: first } },
    text: verificationText(verification),
    summary: [
      ...(before ? [`Found ${counted(before.findings, 'difference')} at first`] : []),
      ...(repairs ? [repairsLine(repairs, isPlan)] : []),
      ...vectorizeSummary(entities),
      ...verificationSummary(verification),
      ...(verification.findings === 0 && verification.collections.length > 0
        ? [agreement(verification)]
        : []),
    ],
  };
}

function agreement({ collections }: Verification): string {
  const isComplete = collections.every(({ queuedRows }) => queuedRows === 0);
  return isComplete ? 'Rows, record and points agree' : 'Everything that is not queued agrees';
}

/** Findings of each collection until they are repaired. */
class Found implements AsyncDisposable {
  readonly #list = new SpilledList<Confirmed>();
  /** Where each unit's begin and end in the list: units are verified one after the other. */
  readonly #places = new Map<Unit, { from: number; to: number }>();

  async keep(unit: Unit, confirmed: readonly Confirmed[]): Promise<void> {
    const from = this.#places.get(unit)?.from ?? this.#list.length;
    for (const each of confirmed) await this.#list.push(each);
    this.#places.set(unit, { from, to: this.#list.length });
  }

  *units(): Generator<[Unit, ReadableList<Confirmed>]> {
    for (const [unit, { from, to }] of this.#places) yield [unit, this.#list.part(from, to)];
  }

  async plan(): Promise<Repairs> {
    const repairs = noRepairs();
    for await (const group of this.#list.groups(REPAIRED_TOGETHER)) planRepairs(group, repairs);
    return repairs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#list[Symbol.asyncDispose]();
  }
}

/** @returns rows that could not be done, and what cannot be queued */
async function fix(context: Context, session: Session, found: Found, progress: Progress): Promise<Failure[]> {
  const { options, io, report, runId } = context;
  const { stop, abort } = io.stop;
  const { database, config } = session;
  const repairs = noRepairs();
  progress.repairs = repairs;
  await recoverLeases(database, runId, { signal: stop });
  for (const tenant of session.tenants) await settleReservations(database, tenant, { signal: stop });
  const { targets, unopened } = await openTargets(session, report, { signal: stop });
  const failures = unopened.map((target) => targetFailure(target, target.error));
  const store = await session.store();
  for (const [unit, list] of found.units()) {
    report({ type: 'step', message: `Repairing ${unit.collection}` });
    // Nothing is queued for whom nobody can work.
    const sources = unit.sources.filter(({ tenant }) =>
      targets.some((target) => target.tenant === tenant && target.entity === unit.entity),
    );
    if (sources.length === 0) continue;
    const place = { ...unit, sources };
    const deleteAll = options.yes ?? false;
    const repairing = { database, store, report };
    failures.push(...(await repairCollection(repairing, place, list, repairs, { deleteAll, signal: stop })));
  }
  try {
    failures.push(
      ...(await vectorize({ database, store, report }, targets, {
        runId,
        batchSize: BATCH_SIZE,
        batchesInFlight: BATCHES_IN_FLIGHT,
        leaseMs: config.leaseMs,
        limit: null,
        stop,
        abort,
        queuedOnly: true,
        retryFailed: false,
        refresh: false,
        deleteAll: options.yes ?? false,
      })),
    );
  } catch (error) {
    // The second pass says what is left; what stopped the repair is said as well.
    if (!(error instanceof VectorizeFailure) || !isOfPoints(error.cause)) throw error;
    failures.push(...error.failures);
  } finally {
    progress.entities = targets.map((target) => entityReport(target));
  }
  const [first] = unopened;
  if (first && targets.length === 0) throw first.error;
  return failures;
}

/** Points that are missing after all are for the second pass to name. */
function isOfPoints(error: unknown): boolean {
  return error instanceof VecpipeError && error.code === 'points_missing';
}

/** The tenant's provider, to know what the config wants; without one that is said, and everything else is verified. */
function providerFinder({ options, report }: Context, session: Session): VerifyRunOptions['providerOf'] {
  const failed = new Set<string>();
  return async (unit, tenant) => {
    const entity = session.entities.find(({ name }) => name === unit.entity);
    if (!entity) return null;
    try {
      const provider = await session.route(tenant, entity.name);
      return { provider, settings: fingerprintSettings(entity, provider) };
    } catch (error) {
      if (!(error instanceof VecpipeError) || options.sample !== undefined) throw error;
      if (!failed.has(error.message)) {
        failed.add(error.message);
        const message = `whether the model is still the one of the config was not looked at: ${error.message}`;
        report({ type: 'notice', message });
      }
      return null;
    }
  };
}
