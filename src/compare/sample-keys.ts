import type { CallOptions, Queryable } from '../ports/database.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { sourceError } from '../sources/rows/source-error.ts';

export interface SampledKeys {
  /** Rows that the tenant has, those without a key left out. */
  rows: number;
  /** In the order of the sample. */
  keys: string[];
}

/**
 * A sample of a tenant's rows that looks random and is the same every time: the keys with the lowest hashes.
 * Equal rows, size and seed give equal keys; a larger sample begins with the smaller one.
 * @throws {VecpipeError} `usage` when the source cannot be read
 */
export async function sampleKeys(
  database: Queryable,
  source: RowSource,
  { size, seed, ...options }: CallOptions & { size: number; seed: number },
): Promise<SampledKeys> {
  const keys = `select (${source.keySql}) collate "C" as key from ${source.from} where ${source.tenantCondition}`;
  try {
    // By itself the limit needs no sort of all rows, which counting them in the same statement would.
    const counted = await database.query<{ rows: number }>(
      `select count(key) as rows from (${keys}) k`,
      [source.tenant],
      options,
    );
    const drawn = await database.query<{ key: string }>(
      `select key from (${keys}) k where key is not null
      order by hashtextextended(key, $2::int8), key limit $3::int8`,
      [source.tenant, seed, size],
      options,
    );
    // A key that several rows share is one row that cannot be told from another.
    return { rows: counted.rows[0]?.rows ?? 0, keys: [...new Set(drawn.rows.map(({ key }) => key))] };
  } catch (error) {
    throw sourceError(error, source);
  }
}
