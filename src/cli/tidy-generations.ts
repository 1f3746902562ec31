import { collectionName } from '../entities/entity.ts';
import type { Report } from '../ports/run-events.ts';
import { dropExpired } from '../reindex/drop-generations.ts';
import { restoreLoads } from '../reindex/load-profile.ts';
import type { Session } from './session.ts';

/**
 * What runs that have ended left behind, and what was kept long enough.
 * @param options.keepsOld nothing is dropped, since it may be what is wanted back
 */
export async function tidyGenerations(
  session: Session,
  report: Report,
  signal: AbortSignal,
  { keepsOld = false }: { keepsOld?: boolean } = {},
): Promise<void> {
  const { database, tenants, entities } = session;
  const store = await session.store();
  for (const physical of await restoreLoads(database, store, { signal })) {
    report({
      type: 'notice',
      message: `Put the settings of ${physical} back, which an interrupted run had changed`,
    });
  }
  if (keepsOld) return;
  const collections = entities.flatMap((entity) => tenants.map((tenant) => collectionName(entity, tenant)));
  for (const { collection, number } of await dropExpired(database, store, collections, { signal })) {
    report({ type: 'notice', message: `Dropped generation ${number} of ${collection}, kept long enough` });
  }
}
