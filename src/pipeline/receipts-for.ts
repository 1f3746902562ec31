import type { Queryable } from '../ports/database.ts';
import { ReceiptBook } from '../receipts/receipt-book.ts';
import { vectorSpace } from './fingerprint.ts';
import type { FingerprintSettings } from './fingerprint.ts';

/** What a provider has to say of its vectors to know whether they are worth keeping. */
export interface VectorWorth {
  /** A vector may cost money, whoever serves it. */
  readonly isPriced: boolean;
  /** Bytes of vectors to keep beyond their batch; null for none. */
  readonly keepVectorsBytes: number | null;
}

/**
 * @param isCharged whether the tenant pays for them with credits
 * @returns null for vectors that cost nothing: they are made again sooner than they are kept
 */
export function receiptsFor(
  database: Queryable,
  tenant: string,
  { isPriced, keepVectorsBytes }: VectorWorth,
  settings: FingerprintSettings,
  isCharged: boolean,
): ReceiptBook | null {
  if (!isPriced && !isCharged && keepVectorsBytes === null) return null;
  return new ReceiptBook(database, {
    tenant,
    vectorSpace: vectorSpace(settings),
    dimensions: settings.dimensions,
    keepBytes: keepVectorsBytes,
    isCharged,
  });
}
