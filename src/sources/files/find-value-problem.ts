import type { BadRecordCode } from './record-item.ts';

/** Far above any real record and far below where recursive code, here or in Postgres, runs out of stack. */
const MAX_DEPTH = 100;
const SHOWN_NAMES = 4;
const NUL = '\u0000';
/** With the `u` flag, the two halves of a pair are one character and match nothing. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const PLAIN_NAME = /^[\w.-]{1,64}$/;

export interface ValueProblem {
  code: BadRecordCode;
  reason: string;
}

interface Finding {
  code: BadRecordCode;
  what: string;
  /** Names from the outermost field inwards. */
  path: string[];
}

/**
 * The first thing in a parsed record that Postgres could not hold as it came: a NUL character or half of a
 * surrogate pair in a text or a name, a number beyond the range of a double, too many levels.
 * @param checkTexts false when the source text shows that no such character can be there
 */
export function findValueProblem(record: Record<string, unknown>, checkTexts: boolean): ValueProblem | null {
  const finding = findIn(record, 1, checkTexts);
  if (!finding) return null;
  const { code, what, path } = finding;
  const place = path.length > SHOWN_NAMES ? `${path.slice(0, SHOWN_NAMES).join('.')}.…` : path.join('.');
  return { code, reason: place === '' ? what : `${place}: ${what}` };
}

function findIn(value: object, depth: number, checkTexts: boolean): Finding | null {
  for (const [name, inner] of Object.entries(value)) {
    const badName = checkTexts ? findInText(name) : null;
    if (badName) return { ...badName, what: `a field name ${badName.what}` };
    const finding = findInOne(inner, depth, checkTexts);
    if (finding) return { ...finding, path: [describeName(name), ...finding.path] };
  }
  return null;
}

function findInOne(value: unknown, depth: number, checkTexts: boolean): Finding | null {
  if (typeof value === 'string') {
    return checkTexts ? findInText(value) : null;
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return null;
    return { code: 'number_out_of_range', what: 'the number is too large to be kept', path: [] };
  }
  if (typeof value !== 'object' || value === null) return null;
  if (depth < MAX_DEPTH) return findIn(value, depth + 1, checkTexts);
  return { code: 'nested_too_deep', what: `nested deeper than ${MAX_DEPTH} levels`, path: [] };
}

function findInText(text: string): Finding | null {
  if (text.includes(NUL)) {
    return { code: 'nul_character', what: 'holds the NUL character, which Postgres cannot store', path: [] };
  }
  if (LONE_SURROGATE.test(text)) {
    return {
      code: 'lone_surrogate',
      what: 'holds half of a surrogate pair, which is no character',
      path: [],
    };
  }
  return null;
}

/** A name as it may be shown: what does not look like a field's name could be data. */
function describeName(name: string): string {
  return PLAIN_NAME.test(name) ? name : '(a field)';
}
