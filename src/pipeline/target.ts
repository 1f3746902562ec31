import type { TenantCredits } from '../credits/tenant-credits.ts';
import type { ReceiptBook } from '../receipts/receipt-book.ts';
import type { WorkOf } from '../queue/work.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { VecpipeError } from '../errors/vecpipe-error.ts';
import type { CopySource } from './copy-vectors.ts';
import type { Counts } from './counts.ts';
import type { FingerprintSettings } from './fingerprint.ts';
import type { OpenGeneration } from './generation.ts';
import type { TextEmbedder } from './text-embedder.ts';

/** What happened to a target's rows since they were last compared. */
export interface Tally {
  /** Differing rows that the comparison found, whoever queued them. */
  found: number;
  /** Recorded by this run. */
  finished: number;
  /** Found to be gone from the source after they had been queued. */
  dropped: number;
}

/** One tenant's entity in one run: where its rows come from and where their points go. */
export interface Target extends WorkOf {
  readonly tenant: string;
  readonly entity: string;
  readonly source: RowSource;
  readonly embedder: TextEmbedder;
  /** Null for vectors that cost nothing. */
  readonly receipts: ReceiptBook | null;
  /** Null where the tenant is not charged: no account, or a provider without a price. Needs the receipts. */
  readonly credits: TenantCredits | null;
  readonly settings: FingerprintSettings;
  readonly generation: OpenGeneration;
  /**
   * Why nothing but deletes can be done for it now; left out: everything can.
   */
  readonly withheld?: VecpipeError | undefined;
  /** Whose vectors are taken for rows whose text is the same there; left out: none are. */
  readonly copySource?: CopySource | undefined;
  readonly counts: Counts;
  readonly tally: Tally;
}

export function noTally(): Tally {
  return { found: 0, finished: 0, dropped: 0 };
}

/** Whether its generation is still being built. */
export function isBuilding({ building = 0 }: WorkOf): boolean {
  return building !== 0;
}

export function targetName(target: { tenant: string; entity: string }): string {
  return `${target.entity} of tenant ${target.tenant}`;
}
