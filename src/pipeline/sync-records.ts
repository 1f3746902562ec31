import { usageError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { Report } from '../ports/run-events.ts';
import { storeRecords } from '../sources/records/store-records.ts';
import type { EntityRecord } from '../sources/records/store-records.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { RecordItem, RecordFile } from '../sources/files/record-item.ts';
import { createRecordValidator } from '../sources/files/validate-record.ts';
import type { Counts, Failure } from './counts.ts';

/** One tenant's entity that records are written to. */
export interface RecordTarget {
  tenant: string;
  source: RowSource;
  counts: Counts;
}

export interface SyncRecordsOptions extends CallOptions {
  /** Count what would happen, write nothing. */
  dryRun: boolean;
  /** Records a transaction at the most. */
  batchSize: number;
  /** Records to write at the most; null for all. */
  limit: number | null;
  report: Report;
}

/** Text in one transaction at about the most: a few hundred records may be large. */
const BATCH_CHARACTERS = 8 * 1024 * 1024;
const LISTED_FAILURES = 1_000;

export interface SyncedRecords {
  /** Records that were refused, in file order; the list ends after some, the count does not. */
  failures: Failure[];
  refused: number;
}

/**
 * Writes the records of one file to the entity's table and queues what changed, batch by batch; a record that
 * is not right is set aside with its line and reason and does not stop the others.
 * Adds to the targets' counts what was committed.
 * @param targets the tenants that records may belong to; with one, a record need not name it
 */
export async function syncRecords(
  database: Database,
  file: RecordFile,
  items: AsyncIterable<RecordItem>,
  targets: ReadonlyMap<string, RecordTarget>,
  options: SyncRecordsOptions,
): Promise<SyncedRecords> {
  const writer = new RecordWriter(database, file, targets, options);
  for await (const item of items) {
    options.signal?.throwIfAborted();
    if (writer.isFull()) break;
    await writer.take(item);
  }
  await writer.flushAll();
  return { failures: writer.failures, refused: writer.refused };
}

interface Pending {
  target: RecordTarget;
  records: Map<string, EntityRecord>;
  characters: number;
}

class RecordWriter {
  readonly failures: Failure[] = [];
  refused = 0;
  readonly #database: Database;
  readonly #file: RecordFile;
  readonly #options: SyncRecordsOptions;
  readonly #pending: Map<string, Pending>;
  readonly #validate: ReturnType<typeof createRecordValidator>;
  #accepted = 0;

  constructor(
    database: Database,
    file: RecordFile,
    targets: ReadonlyMap<string, RecordTarget>,
    options: SyncRecordsOptions,
  ) {
    this.#database = database;
    this.#file = file;
    this.#options = options;
    this.#pending = new Map(
      [...targets].map(([tenant, target]) => [tenant, { target, records: new Map(), characters: 0 }]),
    );
    const [first] = targets.values();
    const shape = first?.source.entity.record;
    if (!shape) throw usageError('entity_not_writable', 'records can only be written to a ready-made entity');
    this.#validate = createRecordValidator(shape);
  }

  isFull(): boolean {
    return this.#options.limit !== null && this.#accepted >= this.#options.limit;
  }

  async take(item: RecordItem): Promise<void> {
    if (item.kind === 'bad') {
      this.#refuse(item.line, item.code, item.reason);
      return;
    }
    const checked = this.#validate(item.value);
    if ('problems' in checked) {
      this.#refuse(item.line, 'record_invalid', checked.problems);
      return;
    }
    const pending = this.#tenantOf(item.line, checked.tenantId);
    if (!pending) return;
    this.#accepted += 1;
    // One statement cannot write the same row twice, and the later record must win.
    if (pending.records.has(checked.id)) await this.#flush(pending);
    const { id, fields, attributes, deleted } = checked;
    pending.records.set(id, { id, fields, attributes, ...(deleted && { deleted }) });
    pending.characters += JSON.stringify(fields).length + attributes.length;
    if (pending.records.size >= this.#options.batchSize || pending.characters >= BATCH_CHARACTERS)
      await this.#flush(pending);
  }

  async flushAll(): Promise<void> {
    for (const pending of this.#pending.values()) await this.#flush(pending);
  }

  #tenantOf(line: number, tenantId: string | null): Pending | null {
    if (tenantId !== null) {
      const named = this.#pending.get(tenantId);
      if (named) return named;
      const allowed = [...this.#pending.keys()].join(', ');
      this.#refuse(line, 'tenant_mismatch', `tenant_id: expected ${allowed}, the tenant of this run`);
      return null;
    }
    const [only, ...others] = this.#pending.values();
    if (only && others.length === 0) return only;
    this.#refuse(line, 'tenant_missing', 'tenant_id: required, because this run writes to several tenants');
    return null;
  }

  async #flush(pending: Pending): Promise<void> {
    const { target, records } = pending;
    if (records.size === 0) return;
    const { dryRun, signal } = this.#options;
    const shape = target.source.entity.record ?? [];
    const stored = await storeRecords(this.#database, target.source, shape, [...records.values()], {
      dryRun,
      ...(signal ? { signal } : {}),
    });
    target.counts.inserted += stored.inserted;
    target.counts.updated += stored.updated;
    target.counts.unchanged += stored.unchanged;
    target.counts.deleted += stored.deleted;
    target.counts.queued += stored.queued;
    pending.records = new Map();
    pending.characters = 0;
  }

  #refuse(line: number, code: string, reason: string): void {
    const [first] = this.#pending.values();
    if (!first) return;
    const { tenant, source, counts } = first.target;
    this.refused += 1;
    counts.failed += 1;
    const failure = {
      tenant,
      entity: source.entity.name,
      key: `${this.#file.name}:${line}`,
      code,
      message: reason,
    };
    this.#options.report({ type: 'row_failed', ...failure });
    if (this.failures.length < LISTED_FAILURES) this.failures.push(failure);
  }
}
