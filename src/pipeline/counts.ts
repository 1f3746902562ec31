/** What a run did, per tenant and entity. Rows, unless it says otherwise. */
export interface Counts {
  /** New in the source, or newly inserted by `sync --from`. */
  inserted: number;
  updated: number;
  unchanged: number;
  /** Gone from the source, and their points with them. */
  deleted: number;
  /** Put in the queue by this command. */
  queued: number;
  /** A text of theirs was sent to the provider. */
  embedded: number;
  /** Of those, the ones that the fallback embedded. */
  fallback: number;
  /** Stored with vectors of equal texts, or with such that an earlier run has bought: no provider call. */
  reused: number;
  /** Only the payload was updated. */
  payloadOnly: number;
  /** Without text, hence without a point. */
  empty: number;
  /** Points were written and confirmed. */
  stored: number;
  /** Set aside with a reason; those of earlier runs that still rest are included. */
  failed: number;
  /** Left in the queue. */
  pending: number;
  /** Sent to the provider. */
  tokens: number;
  /** Money for them, by the provider's price. */
  cost: number;
  /** Charged to the tenant. */
  credits: number;
}

export function noCounts(): Counts {
  return {
    inserted: 0,
    updated: 0,
    unchanged: 0,
    deleted: 0,
    queued: 0,
    embedded: 0,
    fallback: 0,
    reused: 0,
    payloadOnly: 0,
    empty: 0,
    stored: 0,
    failed: 0,
    pending: 0,
    tokens: 0,
    cost: 0,
    credits: 0,
  };
}

/** A row that could not be done, for the report. Never carries row text. */
export interface Failure {
  tenant: string;
  entity: string;
  /** The row's key, or the file and line of a record that has none. */
  key: string;
  code: string;
  message: string;
}
