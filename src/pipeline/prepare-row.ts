import { TemplateValueError } from '../entities/template.ts';
import type { RowValues } from '../entities/template.ts';
import type { Entity } from '../entities/entity.ts';
import type { Payload, PayloadValue } from '../ports/vector-store.ts';
import type { ClaimedRow } from '../queue/work.ts';
import type { LoadedRow } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { jsonHash, shortHash } from '../util/hash.ts';

/** A row with text, and what has to be done about it. */
export interface PreparedRow {
  claimed: ClaimedRow;
  rowHash: string;
  label: string;
  text: string;
  textHash: string;
  /** Payload without `vecpipe`. */
  fields: Record<string, PayloadValue>;
  payloadHash: string;
  /** Chunks that are known to be stored; null when that is not known. */
  recordedChunks: number | null;
}

export type Decision =
  | { action: 'delete' }
  | { action: 'fail'; code: string; reason: string }
  | { action: 'embed' | 'payload' | 'none' | 'empty'; row: PreparedRow };

/** Decides from the row as it is now, whatever it was when it was queued. */
export function prepareRow(source: RowSource, claimed: ClaimedRow, loaded: LoadedRow): Decision {
  if (loaded.duplicate) {
    const reason = `several rows have this key; give entities.${source.entity.name}.key the columns that tell them apart`;
    return { action: 'fail', code: 'key_not_unique', reason };
  }
  if (loaded.values === null || loaded.rowHash === null) return { action: 'delete' };
  const text = render(source, loaded.values);
  if (text instanceof TemplateValueError) {
    return { action: 'fail', code: 'template_value', reason: text.message };
  }
  const fields = payloadFields(source.entity, loaded.values);
  const label = labelOf(source.entity, loaded.values) ?? claimed.key;
  // What an interrupted worker may have written is not recorded, so then nothing recorded is to be relied on.
  const recorded = claimed.unconfirmed ? null : loaded.recorded;
  const row: PreparedRow = {
    claimed,
    rowHash: loaded.rowHash,
    label,
    text,
    textHash: shortHash(text),
    fields,
    payloadHash: jsonHash([fields, label]),
    recordedChunks: claimed.unconfirmed ? null : (loaded.recorded?.chunks ?? 0),
  };
  if (text === '') return { action: 'empty', row };
  if (recorded === null || recorded.textHash !== row.textHash || recorded.chunks === 0)
    return { action: 'embed', row };
  return { action: recorded.payloadHash === row.payloadHash ? 'none' : 'payload', row };
}

export function pointPayload(
  source: RowSource,
  row: PreparedRow,
  chunk: number,
  fingerprint: string,
): Payload {
  return {
    ...row.fields,
    vecpipe: {
      tenant: source.tenant,
      entity: source.entity.name,
      key: row.claimed.key,
      label: row.label,
      chunk,
      hash: row.textHash,
      fingerprint,
    },
  };
}

function render(source: RowSource, values: RowValues): string | TemplateValueError {
  try {
    return source.template.render(values);
  } catch (error) {
    if (error instanceof TemplateValueError) return error;
    throw error;
  }
}

function payloadFields(entity: Entity, values: RowValues): Record<string, PayloadValue> {
  return Object.fromEntries(entity.payload.map((name) => [name, (values[name] ?? null) as PayloadValue]));
}

function labelOf(entity: Entity, values: RowValues): string | null {
  if (entity.labelColumn === null) return null;
  const label = values[entity.labelColumn];
  if (label === null || label === undefined) return null;
  return typeof label === 'string' ? label : JSON.stringify(label);
}
