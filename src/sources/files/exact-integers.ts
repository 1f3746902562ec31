/** Whole numbers of fewer digits are exact as doubles. */
const MAYBE_INEXACT = /\d{16}/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const INTEGER = /^-?\d+$/;
/** JSON text of a character that a record may not hold anyway, so that a stand-in is never mistaken for text. */
const MARK = '\u0000';
const ESCAPED_MARK = '\\u0000';
const STAND_IN = new RegExp(`"\\\\u0000(-?\\d+)"`, 'g');

/**
 * Parses JSON again with whole numbers beyond ±(2^53 − 1) as bigints, or returns null when the text has none.
 * `JSON.parse` rounds them, and only later versions of Node give a reviver the source text.
 * @param text valid JSON, none of whose texts holds a NUL
 */
export function parseWithExactIntegers(text: string): unknown {
  if (!MAYBE_INEXACT.test(text)) return null;
  const literals = findUnsafeIntegers(text);
  if (literals.length === 0) return null;
  let marked = '';
  let copied = 0;
  for (const { start, end } of literals) {
    marked += `${text.slice(copied, start)}"${ESCAPED_MARK}${text.slice(start, end)}"`;
    copied = end;
  }
  return JSON.parse(marked + text.slice(copied), (_name, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  ) as unknown;
}

/** JSON text of a value that may hold bigints, which are written as the numbers they are. */
export function stringifyExactly(value: unknown): string {
  let hasBigInt = false;
  const text = JSON.stringify(value, (_name, inner: unknown) => {
    if (typeof inner !== 'bigint') return inner;
    hasBigInt = true;
    return `${MARK}${inner}`;
  });
  return hasBigInt ? text.replaceAll(STAND_IN, '$1') : text;
}

function findUnsafeIntegers(text: string): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (let index = 0; index < text.length;) {
    const code = text.charCodeAt(index);
    if (code === 0x22) {
      index = endOfString(text, index);
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      NUMBER.lastIndex = index;
      NUMBER.test(text);
      const literal = text.slice(index, NUMBER.lastIndex);
      if (INTEGER.test(literal) && !Number.isSafeInteger(Number(literal))) {
        found.push({ start: index, end: NUMBER.lastIndex });
      }
      index = NUMBER.lastIndex;
    } else index += 1;
  }
  return found;
}

/** The text is valid JSON: a quote that an odd number of backslashes precedes is inside the string. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
  }
  return text.length;
}
