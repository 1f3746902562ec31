import { vectorSpace } from '../pipeline/fingerprint.ts';
import { planRows } from '../pipeline/plan.ts';
import type { Plan } from '../pipeline/plan.ts';
import { recordedPoints } from '../pipeline/recorded-points.ts';
import type { CallOptions } from '../ports/database.ts';
import { readGenerations } from '../reindex/generation-records.ts';
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

/** `reindex --dry-run`. */
export async function planReindex(
  session: Session,
  groups: readonly ReindexGroup[],
  options: CallOptions,
): Promise<CommandResult> {
  const { database } = session;
  const store = await session.store();
  const plans: ReindexPlan[] = [];
  for (const { collection, entity, targets } of groups) {
    const records = await readGenerations(database, store.location, collection, options);
    const live = records.find(({ status }) => status === 'live');
    const generation = Math.max(0, ...records.map(({ number }) => number)) + 1;
    const liveBytes = live ? await store.collectionBytes(live.physical, options) : null;
    for (const { tenant, source, settings } of targets) {
      const route = await session.route(tenant, entity);
      const copySource =
        live && vectorSpace(live.settings) === vectorSpace(settings)
          ? { generation: live, chunking: live.settings.chunking }
          : undefined;
      const plan = await planRows(database, source, null, route, {
        ...options,
        queuedOnly: false,
        deleteAll: true,
        refresh: false,
        retryFailed: true,
        limit: null,
        copySource,
      });
      const rate = await readPastRate(database, tenant, entity, options);
      const points = live ? await recordedPoints(database, live.id, tenant, entity, options) : plan.rows;
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
          live && liveBytes !== null
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
