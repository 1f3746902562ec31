import type { CallOptions, Queryable } from '../ports/database.ts';
import { readAllGenerations } from '../reindex/generation-records.ts';
import type { GenerationRecord } from '../reindex/generation-records.ts';
import type { RowSource } from '../sources/rows/row-source.ts';

/** A collection to verify, with all of its tenants that were selected. */
export interface Unit {
  /** The alias. */
  collection: string;
  entity: string;
  sources: readonly UnitSource[];
  /** Every tenant of the config that shares the collection is selected, so points of nobody can be told. */
  isWhole: boolean;
}

export interface UnitSource {
  tenant: string;
  /**
   * Opens the rows as the template says with which they were stored: with another one other columns count, and every
   * row would look changed. The config's own template when left out.
   * @throws {VecpipeError} `usage`, as `openRowSource` says
   */
  open: (template: string | null, options: CallOptions) => Promise<RowSource>;
}

export interface Generations {
  live: GenerationRecord | null;
  /** Names of the physical collections that are recorded and not dropped. */
  known: ReadonlySet<string>;
  /** Names of those that this database has built and dropped; their numbers are never used again. */
  dropped: ReadonlySet<string>;
}

/** What is recorded of a collection's generations in a store. */
export async function knownGenerations(
  database: Queryable,
  storeLocation: string,
  collection: string,
  options: CallOptions,
): Promise<Generations> {
  const records = await readAllGenerations(database, storeLocation, collection, options);
  const names = (isWanted: (record: GenerationRecord) => boolean) =>
    new Set(records.filter(isWanted).map(({ physical }) => physical));
  return {
    live: records.find(({ status }) => status === 'live') ?? null,
    known: names(({ status }) => status !== 'dropped'),
    dropped: names(({ status }) => status === 'dropped'),
  };
}

/** The template with which rows were stored; null where there is none to be known. */
export function templateOf(live: GenerationRecord | null): string | null {
  // Also that of a collection which was not filled by this version.
  const template: unknown = live?.settings.template;
  return typeof template === 'string' ? template : null;
}
