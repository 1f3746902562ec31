import type { CallOptions, Database } from '../ports/database.ts';
import { readDifferingRows } from '../sources/rows/differing-rows.ts';
import type { DifferingRow } from '../sources/rows/differing-rows.ts';
import { duplicateKeyError } from '../sources/rows/duplicate-key.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { Confirmed, FindingKind } from './finding.ts';
import { readKnowledge, wasAtRest } from './recorded-rows.ts';
import type { RowKnowledge } from './recorded-rows.ts';
import type { ReadableList, SpilledList } from './spilled-list.ts';

/** Rows looked at again together; they are read whole. */
const TOGETHER = 256;

/**
 * The rows of one tenant that were not what is recorded of them when the pass began. They are looked at again at its
 * end: what somebody put in order meanwhile, or has begun to, is no finding.
 */
export class RowDifferences {
  /** Rows whose key is null: they cannot be told apart, so they are never stored. */
  keyless = 0;
  readonly #database: Database;
  readonly source: RowSource;
  readonly #generationId: number | null;
  readonly #collection: string;
  readonly #list: SpilledList<DifferingRow>;
  #rows: ReadableList<DifferingRow> | null = null;

  /** @param list keeps the rows, also those of other tenants, one after the other; the caller disposes */
  constructor(
    database: Database,
    source: RowSource,
    { collection, generationId }: { collection: string; generationId: number | null },
    list: SpilledList<DifferingRow>,
  ) {
    this.#database = database;
    this.source = source;
    this.#list = list;
    this.#collection = collection;
    this.#generationId = generationId;
  }

  /** @throws {VecpipeError} `usage` when the source cannot be read */
  async collect(options: CallOptions): Promise<void> {
    const list = this.#list;
    const from = list.length;
    const keep = async (rows: DifferingRow[]) => {
      for (const row of rows) await list.push(row);
    };
    const read = await readDifferingRows(this.#database, this.source, this.#generationId, keep, options);
    this.keyless = read.keyless;
    this.#rows = list.part(from, list.length);
  }

  /**
   * @throws {VecpipeError} `usage` when a key is not unique or the source cannot be read
   * @throws {GenerationMovedError}
   */
  async *confirmed(options: CallOptions): AsyncGenerator<Confirmed[]> {
    if (this.#rows === null) return;
    for await (const rows of this.#rows.groups(TOGETHER)) yield await this.#confirm(rows, options);
  }

  async #confirm(rows: readonly DifferingRow[], options: CallOptions): Promise<Confirmed[]> {
    const { tenant, entity } = this.source;
    const keys = rows.map(({ key }) => key);
    const names = keys.map((key) => ({ tenant, entity: entity.name, key }));
    const before = await readKnowledge(this.#database, this.#generationId, names, options);
    const loaded = await loadRows(this.#database, this.source, this.#generationId, keys, options);
    const after = await readKnowledge(this.#database, this.#generationId, names, options);
    return rows.flatMap(({ key, rowHash }, index): Confirmed[] => {
      const row = loaded[index];
      if (!row) return [];
      if (row.duplicate) throw duplicateKeyError(undefined, this.source);
      const known = after[index];
      if (!known || !wasAtRest(before[index], known) || row.rowHash !== rowHash) return [];
      const kind = kindOf(rowHash, known);
      if (kind === null) return [];
      const place = { collection: this.#collection, tenant, entity: entity.name, key };
      const finding = { kind, ...place, chunk: null, pointId: null, detail: null };
      return [{ finding, repair: 'compare', candidate: null }];
    });
  }
}

function kindOf(rowHash: string | null, { recorded }: RowKnowledge): FindingKind | null {
  if (rowHash === null) return recorded === null ? null : 'orphan';
  if (recorded === null) return 'missing';
  return recorded.rowHash === rowHash ? null : 'stale';
}
