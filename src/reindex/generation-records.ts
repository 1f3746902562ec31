import { physicalName } from '../pipeline/generation.ts';
import type { Generation } from '../pipeline/generation.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { LoadSettings } from '../ports/vector-store.ts';

/** A generation as the database knows it. */
export interface GenerationRecord extends Generation {
  settings: FingerprintSettings;
  status: 'building' | 'live' | 'retired';
  /** The reindex that builds it. */
  runId: string | null;
  /** The store's settings from before its load, as long as they are not back. */
  loadSettings: LoadSettings | null;
  retiredAt: Date | null;
  /** From then on any run may drop it; null: only when somebody asks for it. */
  keepUntil: Date | null;
}

/** All generations of a collection of which there is anything left, the newest first. */
export async function readGenerations(
  database: Queryable,
  storeLocation: string,
  collection: string,
  options: CallOptions = {},
): Promise<GenerationRecord[]> {
  const { rows } = await database.query<Omit<GenerationRecord, 'physical'>>(
    // Where it was adopted from decides no vector, and is no part of the fingerprint.
    `select id, generation as number, collection, fingerprint, settings - 'adoptedFrom' as settings, dimensions, status, run_id::text as "runId",
      load_settings as "loadSettings", retired_at as "retiredAt", keep_until as "keepUntil"
    from vecpipe.generations
    where store = $1 and collection = $2 and status <> 'dropped'
    order by generation desc`,
    [storeLocation, collection],
    options,
  );
  return rows.map((row) => ({ ...row, physical: physicalName(row.collection, row.number) }));
}
