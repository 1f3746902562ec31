/** Which of the two queues that a tenant's entity has while a generation of it is being built. */
export interface WorkOf {
  /** Id of the generation under construction; 0, or left out, for whichever is live. */
  building?: number;
}

/** For the options of whatever looks at the same queue. */
export function workOf({ building = 0 }: WorkOf): Required<WorkOf> {
  return { building };
}

/** Rows of one tenant's entity share a lease, a load and an embedding call. */
export interface Batch {
  tenant: string;
  entity: string;
  /** See {@link WorkOf}. */
  building: number;
  leaseToken: string;
  /** Whose lease it is. */
  runId: string;
  /** In key order. */
  rows: ClaimedRow[];
  /** Its last row in the order of the queue. */
  last: QueuePlace;
  /** Reading of `performance.now()` after which the lease may have passed to another worker. */
  leaseValidUntil: number;
}

/** A place in a tenant's queue of one entity. */
export interface QueuePlace {
  /** Microseconds since 1970. */
  availableAtMicros: number;
  key: string;
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
  /** `isFinal`: trying again cannot help until the row, the config or the provider has changed. */
  | { outcome: 'failed'; code: string; reason: string; isFinal: boolean }
);
