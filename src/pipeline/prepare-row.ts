import { TemplateValueError } from '../entities/template.ts';
import type { RowValues } from '../entities/template.ts';
import type { Entity } from '../entities/entity.ts';
import type { Payload, PayloadValue } from '../ports/vector-store.ts';
import type { ClaimedRow } from '../queue/work.ts';
import type { LoadedRow } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { shortHash, stableJson } from '../util/hash.ts';

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
  /** The text is recorded as stored: it has been charged, and if it is embedded again, that is for our own doubts. */
  isCharged: boolean;
  /** Chunks that are known to be stored; null when that is not known. */
  recordedChunks: number | null;
}

export type Decision =
  | { action: 'delete' }
  /** Gone after it had been queued: only a comparison of the whole source may delete stored points. */
  | { action: 'drop' }
  | { action: 'fail'; code: string; reason: string }
  | { action: 'embed' | 'payload' | 'none' | 'empty'; row: PreparedRow };

/** At four bytes a character it still fits into one request of 32 MiB, the most that Qdrant takes. */
const MAX_PAYLOAD_CHARACTERS = 8_000_000;

/** Text hash of a row whose record was withdrawn: it may have more points than were recorded. */
const DOUBTED = '';

/** Decides from the row as it is now, whatever it was when it was queued. */
export function prepareRow(source: RowSource, claimed: ClaimedRow, loaded: LoadedRow): Decision {
  if (loaded.duplicate) {
    const reason = `several rows have this key; give entities.${source.entity.name}.key the columns that tell them apart`;
    return { action: 'fail', code: 'key_not_unique', reason };
  }
  if (loaded.values === null || loaded.rowHash === null) {
    // A delete was queued by a comparison, which has a guard; an upsert that finds no row has none.
    return { action: claimed.operation === 'upsert' && loaded.recorded !== null ? 'drop' : 'delete' };
  }
  const text = render(source, loaded.values);
  if (text instanceof TemplateValueError) {
    return { action: 'fail', code: 'template_value', reason: text.message };
  }
  const fields = payloadFields(source, loaded.values);
  const label = labelOf(source.entity, loaded.values) ?? claimed.key;
  if (holdsUnstorableText(fields) || UNSTORABLE.test(label)) {
    const reason =
      'a column of the payload holds a NUL character or half a surrogate pair, which no store takes';
    return { action: 'fail', code: 'payload_value', reason };
  }
  const payloadJson = stableJson([fields, label]);
  if (payloadJson.length > MAX_PAYLOAD_CHARACTERS) {
    const reason = "the payload is larger than 8 MB; leave its largest column out of the entity's `payload:`";
    return { action: 'fail', code: 'payload_too_large', reason };
  }
  // What an interrupted worker may have written is not recorded, so then nothing recorded is to be relied on.
  const recorded = claimed.unconfirmed ? null : loaded.recorded;
  const isDoubted = claimed.unconfirmed || loaded.recorded?.textHash === DOUBTED;
  const textHash = shortHash(text);
  const row: PreparedRow = {
    claimed,
    rowHash: loaded.rowHash,
    label,
    text,
    textHash,
    fields,
    payloadHash: shortHash(payloadJson),
    isCharged: loaded.recorded?.textHash === textHash,
    recordedChunks: isDoubted ? null : (loaded.recorded?.chunks ?? 0),
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

function payloadFields(
  { entity, decimalColumns }: RowSource,
  values: RowValues,
): Record<string, PayloadValue> {
  return Object.fromEntries(
    entity.payload.map((name) => {
      const value = (values[name] ?? null) as PayloadValue;
      return [name, decimalColumns.includes(name) ? decimalValue(value) : value];
    }),
  );
}

/** In the text `2.50` is printed as it is; in the payload it is a number, so that a store can compare it. */
function decimalValue(value: PayloadValue): PayloadValue {
  if (Array.isArray(value)) return value.map((each) => decimalValue(each));
  if (typeof value !== 'string' || !/^-?\d+\.\d+$/.test(value)) return value;
  const shortest = value.replace(/\.?0+$/, '');
  return String(Number(shortest)) === shortest ? Number(shortest) : value;
}

/** Postgres' json can hold them as escapes; a store that gets one refuses all points of the call. */
export const UNSTORABLE = /\0|\p{Surrogate}/u;

function holdsUnstorableText(value: PayloadValue): boolean {
  if (typeof value === 'string') return UNSTORABLE.test(value);
  if (value === null || typeof value !== 'object') return false;
  return Object.entries(value).some(([name, each]) => UNSTORABLE.test(name) || holdsUnstorableText(each));
}

function labelOf(entity: Entity, values: RowValues): string | null {
  if (entity.labelColumn === null) return null;
  const label = values[entity.labelColumn];
  if (label === null || label === undefined) return null;
  return typeof label === 'string' ? label : JSON.stringify(label);
}
