import type { Readable } from 'node:stream';
import { nearest } from '../../util/did-you-mean.ts';
import { collectionName } from '../../entities/entity.ts';
import type { Entity } from '../../entities/entity.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { noCounts } from '../../pipeline/counts.ts';
import type { Failure } from '../../pipeline/counts.ts';
import { findGenerationId } from '../../pipeline/generation.ts';
import { queueChanges } from '../../pipeline/queue-changes.ts';
import { syncRecords } from '../../pipeline/sync-records.ts';
import type { RecordTarget } from '../../pipeline/sync-records.ts';
import { readBacklog } from '../../queue/backlog.ts';
import { entityOfFile } from '../../sources/files/entity-of-file.ts';
import { findRecordFiles } from '../../sources/files/find-files.ts';
import type { RecordFile } from '../../sources/files/record-item.ts';
import { checkRecordFile, readRecords } from '../../sources/files/read-records.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import { storeLocation } from '../../stores/store-location.ts';
import { waitOptions } from '../max-outage.ts';
import type { CommandContext, CommandResult, EntityReport, Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import type { Session } from '../session.ts';
import type { SyncFlags } from './sync.ts';

const BATCH_SIZE = 500;

type Context = CommandContext<SyncFlags>;

/** Writes records from files and queues what changed; without files, compares the tables of the config. */
export const syncMain: Main<SyncFlags> = async (context) => {
  const { options, io, report } = context;
  const { from } = options;
  const session = await openSession(context, { wait: waitOptions(options, io.stop.stop, report) });
  return from === undefined ? syncTables(context, session) : syncFiles(context, session, from);
};

async function syncFiles(
  context: Context,
  session: Session,
  from: readonly string[],
): Promise<CommandResult> {
  const { options, io, report } = context;
  const signal = io.stop.stop;
  const files = await findRecordFiles(from, io.workingDirectory, { signal });
  const work = files.map((file) => ({
    file,
    entity: entityFor(file, session, options.entity !== undefined),
  }));
  // One bad file among many should be known before the first of them was loaded.
  for (const { file } of work) await checkRecordFile(file, { signal });

  const targets = new Map<string, Map<string, RecordTarget>>();
  const failures: Failure[] = [];
  const written = () => [...targets.values()].flatMap((byTenant) => [...byTenant.values()]);
  const reports = () => written().map((target) => toReport(target));
  context.partial = () => ({ entities: reports(), failures });
  for (const { file, entity } of work) {
    const byTenant = targets.get(entity.name) ?? (await openRecordTargets(session, entity));
    targets.set(entity.name, byTenant);
    report({ type: 'step', message: `Reading ${file.name}` });
    const items = readRecords(file, { signal, openStdin: () => io.stdin as Readable });
    const synced = await syncRecords(session.database, file, items, byTenant, {
      dryRun: options.dryRun ?? false,
      batchSize: options.batchSize ?? BATCH_SIZE,
      limit: options.limit ?? null,
      report,
      signal,
    });
    failures.push(...synced.failures);
  }
  await announce(context, session, written());
  return { entities: reports(), failures };
}

/** @throws {VecpipeError} `usage` when neither flag nor file name says which entity, or it cannot take records */
function entityFor(file: RecordFile, session: Session, isFlagGiven: boolean): Entity {
  const { entities } = session;
  const [only, ...others] = entities;
  const named = entityOfFile(
    file.kind === 'stdin' ? '' : file.name,
    entities.map((entity) => entity.name),
  );
  const entity = isFlagGiven && others.length === 0 ? only : entities.find(({ name }) => name === named);
  const names = entities.map(({ name }) => name);
  if (!entity) {
    const suggestion = nearest(file.name.split(/[./]/).at(-2) ?? '', names);
    throw usageError(
      'entity_required',
      `${file.name} (--from) does not say by its name which entity its records are`,
      suggestion === null
        ? `add --entity <name> (${names.join(', ')})`
        : `did you mean --entity ${suggestion}?`,
    );
  }
  if (entity.record !== null) return entity;
  throw usageError(
    'entity_not_writable',
    `entity ${entity.name} is read from a table or query of your own, so --from cannot write records to it`,
    'write the rows to the table yourself; `vecpipe sync` without --from then finds what changed',
  );
}

async function openRecordTargets(session: Session, entity: Entity): Promise<Map<string, RecordTarget>> {
  const targets = new Map<string, RecordTarget>();
  for (const tenant of session.tenants) {
    const source = await openRowSource(session.database, entity, tenant);
    targets.set(tenant, { tenant, source, counts: noCounts() });
  }
  return targets;
}

async function syncTables(context: Context, session: Session): Promise<CommandResult> {
  const { options, io, report } = context;
  const signal = io.stop.stop;
  const { database, config, tenants, entities } = session;
  const targets: RecordTarget[] = [];
  const failures: Failure[] = [];
  context.partial = () => ({ entities: targets.map((target) => toReport(target)), failures });
  for (const tenant of tenants) {
    for (const entity of entities) {
      const source = await openRowSource(database, entity, tenant, { signal });
      const target = { tenant, source, counts: noCounts() };
      targets.push(target);
      report({ type: 'step', message: `Looking for changes in ${entity.name} of tenant ${tenant}` });
      const collection = collectionName(entity, tenant);
      const generationId = await findGenerationId(database, storeLocation(config.store), collection, {
        signal,
      });
      const { yes = false, dryRun = false } = options;
      const changes = { deleteAll: yes, dryRun, signal };
      const changed = await queueChanges(database, source, generationId, target.counts, changes);
      failures.push(...changed.failures);
    }
  }
  await announce(context, session, targets);
  return { entities: targets.map((target) => toReport(target)), failures };
}

/** Says what was done, in the lines that operators know, and reads how much is queued now. */
async function announce(
  { report, options }: Context,
  { database }: Session,
  targets: readonly RecordTarget[],
): Promise<void> {
  for (const { tenant, source, counts } of targets) {
    const entity = source.entity.name;
    const { inserted, updated, unchanged, deleted, queued } = counts;
    report({ type: 'synced', tenant, entity, inserted, updated, unchanged, deleted });
    if (queued > 0) report({ type: 'queued', tenant, entity, queued });
    if (!options.dryRun) counts.pending = (await readBacklog(database, tenant, entity)).pending;
  }
}

function toReport({ tenant, source, counts }: RecordTarget): EntityReport {
  const { entity } = source;
  return {
    tenant,
    entity: entity.name,
    collection: collectionName(entity, tenant),
    generation: null,
    ...counts,
  };
}
