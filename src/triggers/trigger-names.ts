import { shortHash } from '../util/hash.ts';

/** What a trigger of ours is for; each is a statement-level one, after the statement. */
export const TRIGGER_EVENTS = ['insert', 'update', 'delete', 'truncate'] as const;

export type TriggerEvent = (typeof TRIGGER_EVENTS)[number];

/** Postgres cuts names off at 63 bytes. */
const WHOLE_NAME_LENGTH = 40;
const CUT_NAME_LENGTH = 28;

/** Of the function in schema `vecpipe`, unquoted. */
export function functionName(entity: string): string {
  return `queue_rows_${shortName(entity)}`;
}

/** Of a trigger on the table, unquoted. */
export function triggerName(entity: string, event: TriggerEvent): string {
  return `vecpipe_${shortName(entity)}_${event}`;
}

function shortName(entity: string): string {
  if (entity.length <= WHOLE_NAME_LENGTH) return entity;
  return `${entity.slice(0, CUT_NAME_LENGTH)}_${shortHash(entity).slice(0, 11)}`;
}
