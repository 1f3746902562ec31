import { collectionName } from '../entities/entity.ts';
import { noCounts } from '../pipeline/counts.ts';
import { fingerprintSettings } from '../pipeline/fingerprint.ts';
import { ensureGeneration } from '../pipeline/generation.ts';
import type { Target } from '../pipeline/target.ts';
import { TextEmbedder } from '../pipeline/text-embedder.ts';
import type { Report } from '../ports/run-events.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import type { EntityReport } from './run-command.ts';
import type { Session } from './session.ts';

/**
 * One target for every selected tenant and entity, its collection ready to be written to. Every source is
 * checked before the first collection is made, so that a wrong config leaves nothing behind.
 */
export async function openTargets(session: Session, report: Report, signal: AbortSignal): Promise<Target[]> {
  const { database, tenants, entities } = session;
  const sources = [];
  for (const tenant of tenants) {
    for (const entity of entities) sources.push(await openRowSource(database, entity, tenant, { signal }));
  }
  const store = await session.store();
  const embedders = new Map<string, TextEmbedder>();
  const targets: Target[] = [];
  for (const source of sources) {
    const { tenant, entity } = source;
    const provider = await session.provider(tenant);
    // One a tenant: what one tenant's text costs is never paid by another's.
    const embedder = embedders.get(tenant) ?? new TextEmbedder(provider);
    embedders.set(tenant, embedder);
    const settings = fingerprintSettings(entity, provider);
    const collection = collectionName(entity, tenant);
    const generation = await ensureGeneration(database, store, collection, settings, { report, signal });
    targets.push({ tenant, entity: entity.name, source, embedder, settings, generation, counts: noCounts() });
  }
  return targets;
}

export function entityReport(target: Target): EntityReport {
  const { tenant, entity, generation, counts } = target;
  return { tenant, entity, collection: generation.collection, generation: generation.number, ...counts };
}
