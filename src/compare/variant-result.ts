import type { EmbeddedQueries } from './embed-queries.ts';
import type { EmbeddedSample } from './embed-sample.ts';
import type { Ranking } from './nearest-rows.ts';
import type { SampleTally } from './read-sample.ts';
import type { VecpipeError } from '../errors/vecpipe-error.ts';
import type { Variant } from './variant.ts';

/** What came out of one variant. */
export interface VariantResult {
  variant: Variant;
  kind: string;
  modelId: string;
  dimensions: number;
  /** Of the provider, which the variants of the same provider share. */
  openMs: number;
  queries: Omit<EmbeddedQueries, 'vectors'>;
  sample: EmbeddedSample & SampleTally;
  /** One a query, in their order; null where the provider refused the query. */
  rankings: (Ranking | null)[];
}

/** A variant that dropped out, and why. */
export interface FailedVariant {
  variant: Variant;
  error: VecpipeError;
}
