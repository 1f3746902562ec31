import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import { physicalName } from '../pipeline/generation.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
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

/** A generation as verify sees it. */
export interface LiveGeneration {
  id: number;
  number: number;
  physical: string;
  fingerprint: string;
  dimensions: number;
  settings: FingerprintSettings;
}

interface GenerationRow {
  id: number;
  number: number;
  status: 'building' | 'live' | 'retired' | 'dropped';
  fingerprint: string;
  dimensions: number;
  settings: FingerprintSettings;
}

export interface Generations {
  live: LiveGeneration | null;
  /** Names of the physical collections that are recorded and not dropped. */
  known: ReadonlySet<string>;
  /** Names of those that this database has built and dropped; their numbers are never used again. */
  dropped: ReadonlySet<string>;
}

/** What is recorded of a collection's generations in a store. */
export async function readGenerations(
  database: Queryable,
  storeLocation: string,
  collection: string,
  options: CallOptions,
): Promise<Generations> {
  const { rows } = await database.query<GenerationRow>(
    `select id, generation as number, status, fingerprint, dimensions, settings from vecpipe.generations
    where store = $1 and collection = $2`,
    [storeLocation, collection],
    options,
  );
  const physicalOf = (row: GenerationRow) => physicalName(collection, row.number);
  const live = rows.find(({ status }) => status === 'live');
  const isDropped = ({ status }: GenerationRow) => status === 'dropped';
  return {
    live: live ? { ...live, physical: physicalOf(live) } : null,
    known: new Set(rows.filter((row) => !isDropped(row)).map((row) => physicalOf(row))),
    dropped: new Set(rows.filter((row) => isDropped(row)).map((row) => physicalOf(row))),
  };
}

/** The template with which rows were stored; null where there is none to be known. */
export function templateOf(live: LiveGeneration | null): string | null {
  // Also that of a collection which was not filled by this version.
  const template: unknown = live?.settings.template;
  return typeof template === 'string' ? template : null;
}
