import type { RunEvent } from '../ports/run-events.ts';

/** An event as one line for people; null when it is not worth a line. Operators grep for these: keep them. */
export function messageOf(event: RunEvent): string | null {
  switch (event.type) {
    case 'step':
    case 'notice':
      return event.message;
    case 'warning':
      return `Warning: ${event.message}`;
    case 'synced':
      return syncedMessage(event);
    case 'queued':
      return `Queued ${event.queued} ${event.entity} entities for vectorization`;
    case 'processing':
      return `Processing vectorization: ${event.entity} - ${event.label}`;
    case 'embedded':
      return `Generated embedding of dimension ${event.dimensions}`;
    case 'stored':
      return `Stored point ${event.pointId} in collection ${event.collection}`;
    case 'row_failed':
      return `Failed ${event.entity} ${event.key}: ${event.message} (${event.code})`;
    case 'progress':
    case 'download':
      return null;
    default:
      return event satisfies never;
  }
}

function syncedMessage(event: Extract<RunEvent, { type: 'synced' }>): string {
  const parts = [`Inserted ${event.inserted} ${event.entity}`];
  if (event.updated > 0) parts.push(`updated ${event.updated}`);
  if (event.unchanged > 0) parts.push(`unchanged ${event.unchanged}`);
  if (event.deleted > 0) parts.push(`deleted ${event.deleted}`);
  return parts.join(', ');
}
