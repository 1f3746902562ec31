import { collectionName } from '../entities/entity.ts';
import type { Failure } from '../pipeline/counts.ts';
import { fingerprintSettings } from '../pipeline/fingerprint.ts';
import { findGeneration } from '../pipeline/generation.ts';
import { planRows } from '../pipeline/plan.ts';
import type { Plan, PlanOptions } from '../pipeline/plan.ts';
import { differenceFailures } from '../pipeline/queue-changes.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import { formatMoney } from './money.ts';
import type { CommandResult } from './run-command.ts';
import type { Session } from './session.ts';
import { renderTable } from './table.ts';

/** `vectorize --dry-run`: the plan of every selected tenant and entity, as a table and as JSON. */
export async function planSession(session: Session, options: PlanOptions): Promise<CommandResult> {
  const { database, tenants, entities } = session;
  const store = await session.store();
  const plans: ({ tenant: string; entity: string; collection: string } & Plan)[] = [];
  const failures: Failure[] = [];
  for (const tenant of tenants) {
    for (const entity of entities) {
      const source = await openRowSource(database, entity, tenant, options);
      const provider = await session.route(tenant, entity.name);
      const collection = collectionName(entity, tenant);
      const settings = fingerprintSettings(entity, provider);
      const generation = await findGeneration(database, store, collection, settings, options);
      const plan = await planRows(database, source, generation?.id ?? null, provider, options);
      plans.push({ tenant, entity: entity.name, collection, ...plan });
      failures.push(...differenceFailures(source, plan));
    }
  }
  return { json: { plan: plans }, failures, text: planTable(plans) };
}

function planTable(plans: readonly ({ tenant: string; entity: string } & Plan)[]): string {
  return renderTable(
    [
      'tenant',
      'entity',
      'rows',
      'new',
      'changed',
      'unchanged',
      'deleted',
      'queued',
      'embed',
      'tokens',
      'cost',
      'credits',
      'requests',
    ],
    plans.map((plan) => [
      plan.tenant,
      plan.entity,
      plan.rows,
      plan.added,
      plan.changed,
      plan.unchanged,
      plan.vanished,
      plan.queued,
      plan.embed,
      plan.tokens,
      plan.cost === 0 ? '-' : formatMoney(plan.cost),
      plan.credits,
      plan.requests,
    ]),
  );
}
