/** Rows of one tenant's entity share a lease, a load and an embedding call. */
export interface Batch {
  tenant: string;
  entity: string;
  leaseToken: string;
  /** In key order. */
  rows: ClaimedRow[];
  /** Reading of `performance.now()` after which the lease may have passed to another worker. */
  leaseValidUntil: number;
}

export interface ClaimedRow {
  key: string;
  operation: 'upsert' | 'delete';
  version: number;
  /** This one included. */
  attempts: number;
  /** An earlier worker may have written points that are not recorded. */
  unconfirmed: boolean;
}

/** What became of one claimed row. */
export type RowResult = { key: string; version: number } & (
  | {
      outcome: 'stored';
      rowHash: string;
      textHash: string;
      payloadHash: string;
      chunks: number;
    }
  | { outcome: 'deleted' }
  /** Not worked on: its points stay, and are doubted until a comparison has looked at the row. */
  | { outcome: 'dropped' }
  | { outcome: 'failed'; code: string; reason: string }
);
