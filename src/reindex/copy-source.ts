import type { CopySource } from '../pipeline/copy-vectors.ts';
import { vectorSpace } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import type { GenerationRecord } from './generation-records.ts';

/** The live generation, where its vectors of equal texts are those that the wanted settings would make. */
export function copySourceFor(live: GenerationRecord, wanted: FingerprintSettings): CopySource | undefined {
  if (vectorSpace(live.settings) !== vectorSpace(wanted)) return undefined;
  return { generation: live, chunking: live.settings.chunking };
}
