import { planRows } from '../pipeline/plan.ts';
import type { Plan } from '../pipeline/plan.ts';
import { recordedPoints } from '../pipeline/recorded-points.ts';
import type { CallOptions } from '../ports/database.ts';
import { copySourceFor } from '../reindex/copy-source.ts';
import type { GenerationRecord } from '../reindex/generation-records.ts';
import { readPastRate } from '../reindex/past-rate.ts';
import { shownDuration } from '../util/shown-duration.ts';
import { formatMoney } from './money.ts';
import type { ReindexGroup } from './reindex-groups.ts';
import type { CommandResult } from './run-command.ts';
import type { Session } from './session.ts';
import { renderTable } from './table.ts';

/** What rebuilding one tenant's part of a collection would take. */
interface ReindexPlan extends Pick<
  Plan,
  'rows' | 'embed' | 'copied' | 'tokens' | 'cost' | 'credits' | 'requests'
> {
  tenant: string;
  entity: string;
  collection: string;
  generation: number;
  /** By what lately was stored a second; null when nothing was. */
  durationMs: number | null;
  /** Roughly, beside the old generation, which stays. */
  diskBytes: number;
}

/** Vectors and their index in Qdrant take about 1.5 times the numbers, https://qdrant.tech/documentation/guides/capacity-planning/ */
const QDRANT_OVERHEAD = 1.5;
const BYTES_A_NUMBER = 4;

/** What would be rebuilt, and from where. */
export interface PlannedGroup extends ReindexGroup {
  live: GenerationRecord;
  /** Number that the next one would have. */
  generation: number;
}

/** `reindex --dry-run`. */
export async function planReindex(
  session: Session,
  groups: readonly PlannedGroup[],
  options: CallOptions,
): Promise<CommandResult> {
  const { database } = session;
  const store = await session.store();
  const plans: ReindexPlan[] = [];
  for (const { collection, entity, targets, live, generation } of groups) {
    const liveBytes = await store.collectionBytes(live.physical, options);
    for (const { tenant, source, settings } of targets) {
      const route = await session.route(tenant, entity);
      const plan = await planRows(database, source, null, route, {
        ...options,
        queuedOnly: false,
        deleteAll: true,
        refresh: false,
        retryFailed: true,
        limit: null,
        copySource: copySourceFor(live, settings),
      });
      const rate = await readPastRate(database, tenant, entity, options);
      const points = await recordedPoints(database, live.id, tenant, entity, options);
      const { rows, embed, copied, tokens, cost, credits, requests } = plan;
      plans.push({
        tenant,
        entity,
        collection,
        generation,
        rows,
        embed,
        copied,
        tokens,
        cost,
        credits,
        requests,
        durationMs: rate === null ? null : Math.round((rows / rate) * 1000),
        diskBytes:
          liveBytes !== null
            ? Math.round((liveBytes * settings.dimensions) / live.dimensions)
            : Math.round(points * settings.dimensions * BYTES_A_NUMBER * QDRANT_OVERHEAD),
      });
    }
  }
  return { json: { plan: plans }, text: plans.length === 0 ? 'Nothing to rebuild.' : planTable(plans) };
}

function planTable(plans: readonly ReindexPlan[]): string {
  return renderTable(
    [
      'tenant',
      'entity',
      'generation',
      'rows',
      'embed',
      'copied',
      'tokens',
      'cost',
      'credits',
      'requests',
      'time',
      'disk',
    ],
    plans.map((plan) => [
      plan.tenant,
      plan.entity,
      plan.generation,
      plan.rows,
      plan.embed,
      plan.copied,
      plan.tokens,
      plan.cost === 0 ? '-' : formatMoney(plan.cost),
      plan.credits,
      plan.requests,
      plan.durationMs === null ? 'not known' : `about ${shownDuration(plan.durationMs)}`,
      `about ${Math.ceil(plan.diskBytes / 1e6)} MB`,
    ]),
  );
}
