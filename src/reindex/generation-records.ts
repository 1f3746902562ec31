import { physicalName } from '../pipeline/generation.ts';
import type { Generation } from '../pipeline/generation.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { LoadSettings } from '../ports/vector-store.ts';

/** A generation as the database knows it. */
export interface GenerationRecord extends Generation {
  settings: FingerprintSettings;
  /** Of a `dropped` one nothing is left but its number, which is never used again. */
  status: 'building' | 'live' | 'retired' | 'dropped';
  /** The reindex that builds it. */
  runId: string | null;
  /** The store's settings from before its load, as long as they are not back. */
  loadSettings: LoadSettings | null;
  retiredAt: Date | null;
}

/** The generations of a collection of which there is anything left, the newest first. */
export async function readGenerations(
  database: Queryable,
  storeLocation: string,
  collection: string,
  options: CallOptions = {},
): Promise<GenerationRecord[]> {
  const all = await readAllGenerations(database, storeLocation, collection, options);
  return all.filter(({ status }) => status !== 'dropped');
}

/** All generations that a collection in a store has ever had, the newest first. */
export async function readAllGenerations(
  database: Queryable,
  storeLocation: string,
  collection: string,
  options: CallOptions = {},
): Promise<GenerationRecord[]> {
  const { rows } = await database.query<Omit<GenerationRecord, 'physical'>>(
    // Where it was adopted from decides no vector, and is no part of the fingerprint.
    `select id, generation as number, collection, fingerprint, settings - 'adoptedFrom' as settings, dimensions, status, run_id::text as "runId",
      load_settings as "loadSettings", retired_at as "retiredAt"
    from vecpipe.generations
    where store = $1 and collection = $2
    order by generation desc`,
    [storeLocation, collection],
    options,
  );
  return rows.map((row) => ({ ...row, physical: physicalName(row.collection, row.number) }));
}
