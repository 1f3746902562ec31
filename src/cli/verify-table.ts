import type { Finding } from '../verify/finding.ts';
import type { Repairs } from '../verify/repair.ts';
import type { Verification } from '../verify/verify.ts';
import { counted } from './counted.ts';
import { renderTable } from './table.ts';

/** Counts by kind and the first examples; nothing where nothing was found. */
export function verificationText({ counts, examples, findings }: Verification): string {
  if (findings === 0) return '';
  const table = renderTable(
    ['collection', 'tenant', 'entity', 'finding', 'count'],
    counts.map(({ collection, tenant, entity, kind, count }) => [
      collection,
      tenant ?? '-',
      entity ?? '-',
      kind,
      count,
    ]),
  );
  if (examples.length === 0) return table;
  const shown = renderTable(
    ['finding', 'tenant', 'entity', 'key', 'chunk', 'point', 'detail'],
    examples.map((finding) => exampleRow(finding)),
  );
  const more = findings - examples.length;
  return `${table}\n\n${shown}${more > 0 ? `\n… and ${more} more` : ''}`;
}

function exampleRow({ kind, tenant, entity, key, chunk, pointId, detail }: Finding) {
  return [kind, tenant ?? '-', entity ?? '-', key ?? '-', chunk ?? '-', pointId ?? '-', detail];
}

/** One line a collection. */
export function verificationSummary({ collections }: Verification): string[] {
  return collections.map((result) => {
    const { collection, points, recordedPoints, queuedRows, failedRows, sampled, tokens } = result;
    const sample =
      sampled > 0 ? `, ${counted(sampled, 'vector')} embedded anew (${counted(tokens, 'token')})` : '';
    const failed = failedRows > 0 ? ` (${failedRows} of them failed)` : '';
    const queued =
      queuedRows > 0 ? `, ${counted(queuedRows, 'row')} still queued${failed} and passed over` : '';
    return `${collection}: ${counted(points, 'point')} looked at, ${recordedPoints} recorded${sample}${queued}`;
  });
}

/** What was repaired, or would be, in one line. */
export function repairsLine(repairs: Repairs, isPlan: boolean): string {
  const { requeuedRows, comparedRows, deletedPoints, deletedCollections, aliases, left } = repairs;
  const parts = [
    requeuedRows > 0
      ? isPlan
        ? `rows of ${counted(requeuedRows, 'point')} queued`
        : `${counted(requeuedRows, 'row')} queued for their points`
      : null,
    comparedRows > 0 ? `${counted(comparedRows, 'row')} queued that differ` : null,
    deletedPoints > 0 ? `${counted(deletedPoints, 'point')} deleted` : null,
    deletedCollections.length > 0 ? `deleted ${deletedCollections.join(', ')}` : null,
    aliases.length > 0 ? `alias of ${aliases.join(', ')} set` : null,
    left > 0 ? `${left} left to you` : null,
  ].filter((part) => part !== null);
  return `${isPlan ? 'Would repair' : 'Repaired'}: ${parts.join(', ') || 'nothing'}`;
}
