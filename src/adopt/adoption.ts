import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { Report } from '../ports/run-events.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { KeyField } from './key-field.ts';

/** A collection that something else filled, and the tenant's entity whose first generation it becomes. */
export interface Adoption {
  database: Database;
  store: VectorStore;
  source: RowSource;
  provider: EmbeddingProvider;
  settings: FingerprintSettings;
  /** The alias that readers get. */
  collection: string;
  /** Physical name of the collection that is taken over. */
  adopted: string;
  keyField: KeyField;
  /** Rows to embed again and compare. */
  sampleSize: number;
  /** Least cosine of a row's vector with the one it is given now. */
  minSimilarity: number;
  /** Delete the adopted collection once it is copied, so that the alias can have its name. */
  replaces: boolean;
  runId: string;
  report: Report;
  /** Of every call. */
  options: CallOptions;
}

export interface SampleAgreement {
  /** Rows whose vectors were compared. */
  compared: number;
  agreed: number;
  /** Keys of the others. */
  disagreeing: ReadonlySet<string>;
  tokens: number;
}

/** What became of the points of a collection, or would. */
export interface PointCounts {
  points: number;
  /** Rows whose points are there under vecpipe's ids. */
  copied: number;
  /** Points whose key field is missing or names no row. */
  withoutRow: number;
  /** Points of rows that have another; null where that is not known. */
  duplicates: number | null;
  /** Points that do not fit: the text is empty, takes several chunks or cannot be rendered, or the vector is of no use. */
  unfit: number;
  /** Points of rows of the sample whose vectors disagreed. */
  disagreeing: number;
}

export interface AdoptionResult {
  sample: SampleAgreement;
  counts: PointCounts;
  /** Rows that have no point after it: the next `vectorize` works on them. */
  rowsLeft: number;
}
