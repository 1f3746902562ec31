import { readAccounts } from '../credits/read-accounts.ts';
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

interface TargetPlan extends Plan {
  tenant: string;
  entity: string;
  collection: string;
  /** The tenant's, for all its entities together; null without an account. */
  creditsAvailable: number | null;
}

/** `vectorize --dry-run`: the plan of every selected tenant and entity, as a table and as JSON. */
export async function planSession(
  session: Session,
  { maxCredits, ...options }: PlanOptions & { maxCredits: number | null },
): Promise<CommandResult> {
  const { database, tenants, entities } = session;
  const store = await session.store();
  const accounts = await readAccounts(database, tenants, options);
  const available = new Map(accounts.map((account) => [account.tenant, account.available]));
  const plans: TargetPlan[] = [];
  const failures: Failure[] = [];
  for (const tenant of tenants) {
    for (const entity of entities) {
      const source = await openRowSource(database, entity, tenant, options);
      const provider = await session.route(tenant, entity.name);
      const collection = collectionName(entity, tenant);
      const settings = fingerprintSettings(entity, provider);
      const generation = await findGeneration(database, store, collection, settings, options);
      const plan = await planRows(database, source, generation?.id ?? null, provider, options);
      const creditsAvailable = available.get(tenant) ?? null;
      plans.push({ tenant, entity: entity.name, collection, ...plan, creditsAvailable });
      failures.push(...differenceFailures(source, plan));
    }
  }
  const text = [planTable(plans), ...shortages(plans), ...overLimit(plans, maxCredits)].join('\n\n');
  return { json: { plan: plans }, failures, text };
}

/** A sentence for each tenant whose credits do not cover its part of the plan. */
function shortages(plans: readonly TargetPlan[]): string[] {
  const byTenant = new Map<string, { credits: number; available: number }>();
  for (const { tenant, credits, creditsAvailable } of plans) {
    if (creditsAvailable === null) continue;
    const before = byTenant.get(tenant)?.credits ?? 0;
    byTenant.set(tenant, { credits: before + credits, available: creditsAvailable });
  }
  return [...byTenant]
    .filter(([, { credits, available }]) => credits > Math.max(available, 0))
    .map(
      ([tenant, { credits, available }]) =>
        `Tenant ${tenant} has ${available} credits, and this would cost ${credits}: vectorize would stop when they are used up.`,
    );
}

function overLimit(plans: readonly TargetPlan[], maxCredits: number | null): string[] {
  const credits = plans.reduce((sum, plan) => sum + plan.credits, 0);
  if (maxCredits === null || credits <= maxCredits) return [];
  return [
    `This would cost ${credits} credits: with --max-credits ${maxCredits} vectorize would stop before its end.`,
  ];
}

function planTable(plans: readonly TargetPlan[]): string {
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
