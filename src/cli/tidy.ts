import { settleReservations } from '../credits/settle-reservations.ts';
import { collectionName } from '../entities/entity.ts';
import type { Report } from '../ports/run-events.ts';
import { dropExpired } from '../reindex/drop-generations.ts';
import { restoreLoads } from '../reindex/load-profile.ts';
import { pruneRuns } from '../runs/prune-runs.ts';
import { recoverLeases } from '../runs/recover-leases.ts';
import type { Session } from './session.ts';

export interface TidyOptions {
  runId: string;
  report: Report;
  signal: AbortSignal;
  /** No generation is dropped, since it may be what is wanted back. */
  keepsOld?: boolean;
}

/** Frees and puts back what runs that have ended left behind, and drops what was kept long enough. */
export async function tidy(
  session: Session,
  { runId, report, signal, keepsOld = false }: TidyOptions,
): Promise<void> {
  const { database, tenants, entities } = session;
  await recoverLeases(database, runId, { signal });
  await pruneRuns(database, { signal });
  for (const tenant of tenants) await settleReservations(database, tenant, { signal });
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
