import { formatMoney } from './money.ts';
import type { EntityReport } from './run-command.ts';

/** One line an entity: what was done, the zeros left out. */
export function vectorizeSummary(entities: readonly EntityReport[], isWhole = true): string[] {
  return entities.map((entity) => {
    const parts = [
      count(entity.stored, 'stored'),
      count(entity.embedded, 'embedded'),
      count(entity.fallback, 'by the fallback'),
      count(entity.reused, 'reused'),
      count(entity.payloadOnly, 'payload only'),
      count(entity.deleted, 'deleted'),
      count(entity.empty, 'without text'),
      count(entity.unchanged, 'unchanged'),
      count(entity.failed, 'failed'),
      count(entity.pending - entity.failed, 'still queued'),
      count(entity.tokens, 'tokens'),
      entity.cost > 0 ? `cost ${formatMoney(entity.cost)}` : null,
      count(entity.credits, 'credits'),
    ].filter((part) => part !== null);
    return `${entity.entity} of tenant ${entity.tenant}: ${parts.length > 0 ? parts.join(', ') : isWhole ? 'nothing to do' : 'nothing done'} (${entity.collection})`;
  });
}

function count(number: number, what: string): string | null {
  return number > 0 ? `${number} ${what}` : null;
}
