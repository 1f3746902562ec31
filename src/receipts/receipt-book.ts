import { retryConflicts } from '../db/retry-conflicts.ts';
import type { BoundValue, CallOptions, Queryable } from '../ports/database.ts';
import { slices } from '../util/slices.ts';
import { vectorFromText, vectorToText } from './vector-text.ts';

/** Where the vectors of one batch are looked up before they are bought, and kept once they are. */
export interface BatchReceipts {
  /** Whether what is due for a vector is kept with it. */
  readonly isCharged: boolean;
  /**
   * Vectors that were bought before, by text hash. They are kept for this batch, too.
   * @throws whatever the database throws
   */
  find(textHashes: readonly string[], options?: CallOptions): Promise<Map<string, Float32Array>>;
  /** Resolves when the vectors are safe. @throws whatever the database throws */
  keep(vectors: readonly BoughtVector[], options?: CallOptions): Promise<void>;
}

export interface BoughtVector {
  textHash: string;
  vector: Float32Array;
  /** Millionths of a credit to charge once it is delivered, by whomever; 0 for one that another batch has bought. */
  dueMicros: number;
}

export interface ReceiptSpace {
  tenant: string;
  /** See `vectorSpace`. */
  vectorSpace: string;
  dimensions: number;
  /** Bytes of vectors that stay after their batch was recorded; null when none do. */
  keepBytes: number | null;
  /** Whether the tenant is charged: then what is due is kept with the vectors. */
  isCharged: boolean;
}

/** Vectors a statement, so that its values stay at a few megabytes. */
const STATEMENT_VECTORS = 500;

/** Much longer than any batch takes: what is older belongs to rows that changed or went. */
const RECEIPT_LIFE = '7 days';

/** A vector is not marked as used more often than this, so that reading it hardly ever writes. */
const USED_AGAIN_AFTER = '1 hour';

/** Recorded batches between two looks at how much is kept. */
const BATCHES_A_SWEEP = 64;

/**
 * The receipts of one tenant's vector space: what was paid for is in the database before it is sent to the store,
 * and leaves it with the statement that records the batch (see `recordBatch`).
 */
export class ReceiptBook {
  readonly #database: Queryable;
  readonly #space: ReceiptSpace;
  #recorded = 0;

  constructor(database: Queryable, space: ReceiptSpace) {
    this.#database = database;
    this.#space = space;
  }

  /** See {@link ReceiptSpace}. */
  get vectorSpace(): string {
    return this.#space.vectorSpace;
  }

  /** Whether vectors stay after their batch was recorded. */
  get keepsVectors(): boolean {
    return this.#space.keepBytes !== null;
  }

  forBatch(leaseToken: string): BatchReceipts {
    return {
      isCharged: this.#space.isCharged,
      find: (textHashes, options) => this.#find(leaseToken, textHashes, options),
      keep: (vectors, options) => this.#keep(leaseToken, vectors, options),
    };
  }

  /** Told of every recorded batch; now and then it sweeps. */
  async batchRecorded(options: CallOptions = {}): Promise<void> {
    this.#recorded += 1;
    if (this.#recorded % BATCHES_A_SWEEP === 0) await this.sweep(options);
  }

  /** Removes receipts that nobody will ask for, and the longest unused vectors beyond what may be kept. */
  async sweep(options: CallOptions = {}): Promise<void> {
    const { tenant, vectorSpace, keepBytes } = this.#space;
    await this.#run(
      `delete from vecpipe.receipts where tenant = $1 and vector_space = $2 and (
        kept_at < now() - $3::interval
        -- Every batch that may still ask has its rows in the queue.
        or not exists (select from vecpipe.queue where tenant = $1)
      )`,
      [tenant, vectorSpace, RECEIPT_LIFE],
      options,
    );
    await this.#run(
      `with kept as (
        select text_hash, sum(octet_length(vector)) over (order by used_at desc, text_hash) as bytes
        from vecpipe.kept_vectors where tenant = $1 and vector_space = $2
      ), doomed as (
        -- Locked in the order of every other writer, so that two of them cannot wait for each other.
        select k.text_hash from vecpipe.kept_vectors k join kept using (text_hash)
        where k.tenant = $1 and k.vector_space = $2 and kept.bytes > $3
        order by k.text_hash
        for update of k
      )
      delete from vecpipe.kept_vectors k using doomed
      where k.tenant = $1 and k.vector_space = $2 and k.text_hash = doomed.text_hash`,
      [tenant, vectorSpace, keepBytes ?? 0],
      options,
    );
  }

  async #find(
    leaseToken: string,
    textHashes: readonly string[],
    options: CallOptions = {},
  ): Promise<Map<string, Float32Array>> {
    const { tenant, vectorSpace, dimensions } = this.#space;
    const found = new Map<string, Float32Array>();
    for (const slice of slices(textHashes, STATEMENT_VECTORS)) {
      const { rows } = await retryConflicts(
        () =>
          this.#database.query<{ textHash: string; vector: string }>(
            FIND_SQL,
            [tenant, vectorSpace, slice, leaseToken, USED_AGAIN_AFTER],
            options,
          ),
        options,
      );
      for (const { textHash, vector } of rows) {
        const numbers = vectorFromText(vector);
        if (numbers.length === dimensions) found.set(textHash, numbers);
      }
    }
    return found;
  }

  async #keep(
    leaseToken: string,
    vectors: readonly BoughtVector[],
    options: CallOptions = {},
  ): Promise<void> {
    const { tenant, vectorSpace } = this.#space;
    for (const slice of slices(vectors, STATEMENT_VECTORS)) {
      await this.#run(
        `insert into vecpipe.receipts (tenant, vector_space, text_hash, lease_token, vector, due_micros)
        select $1, $2, text_hash, $3::uuid, decode(vector, 'base64'), due_micros
        from unnest($4::text[], $5::text[], $6::int8[]) as bought(text_hash, vector, due_micros)
        on conflict do nothing`,
        [
          tenant,
          vectorSpace,
          leaseToken,
          slice.map(({ textHash }) => textHash),
          slice.map(({ vector }) => vectorToText(vector)),
          slice.map(({ dueMicros }) => dueMicros),
        ],
        options,
      );
    }
  }

  async #run(sql: string, values: BoundValue[], options: CallOptions): Promise<void> {
    await retryConflicts(() => this.#database.query(sql, values, options), options);
  }
}

const FIND_SQL = `
  with bought as (
    select distinct on (text_hash) text_hash, vector from vecpipe.receipts
    where tenant = $1 and vector_space = $2 and text_hash = any ($3::text[])
    order by text_hash
  ), kept as (
    select text_hash, vector, used_at from vecpipe.kept_vectors
    where tenant = $1 and vector_space = $2 and text_hash = any ($3::text[])
  ), held as (
    insert into vecpipe.receipts (tenant, vector_space, text_hash, lease_token, vector)
    select $1, $2, text_hash, $4::uuid, vector from bought
    on conflict do nothing
  ), stale as (
    select k.text_hash from vecpipe.kept_vectors k join kept using (text_hash)
    where k.tenant = $1 and k.vector_space = $2 and kept.used_at < now() - $5::interval
    order by k.text_hash
    for update of k
  ), used as (
    update vecpipe.kept_vectors k set used_at = now() from stale
    where k.tenant = $1 and k.vector_space = $2 and k.text_hash = stale.text_hash
  )
  select text_hash as "textHash", encode(vector, 'base64') as vector from bought
  union all
  select text_hash, encode(vector, 'base64') from kept
  where not exists (select from bought where bought.text_hash = kept.text_hash)`;
