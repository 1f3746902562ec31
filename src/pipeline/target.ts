import type { RowSource } from '../sources/rows/row-source.ts';
import type { Counts } from './counts.ts';
import type { FingerprintSettings } from './fingerprint.ts';
import type { Generation } from './generation.ts';
import type { TextEmbedder } from './text-embedder.ts';

/** One tenant's entity in one run: where its rows come from and where their points go. */
export interface Target {
  readonly tenant: string;
  readonly entity: string;
  readonly source: RowSource;
  readonly embedder: TextEmbedder;
  readonly settings: FingerprintSettings;
  readonly generation: Generation;
  readonly counts: Counts;
}

export function targetName(target: { tenant: string; entity: string }): string {
  return `${target.entity} of tenant ${target.tenant}`;
}
