/** A table or view; `schema` is null when the search path decides. */
export interface QualifiedName {
  schema: string | null;
  name: string;
}

/** Longer names are cut off by Postgres without a word, so that two of them may become one. */
const MAX_IDENTIFIER_BYTES = 63;

/** Unquoted identifiers of https://www.postgresql.org/docs/current/sql-syntax-lexical.html, white space around. */
const UNQUOTED = /\s*([A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)\s*/y;
const QUOTED = /\s*"((?:[^"\0]|"")+)"\s*/y;

/**
 * Reads `projects`, `public.projects` or `"My Schema"."Projects"` as SQL does: parts without quotes fold to
 * lower case (letters A to Z only, as Postgres does in UTF-8), quoted ones are taken as they are, `""` is a
 * quote.
 *
 * @returns the name, or a sentence part that says what is wrong
 */
export function parseQualifiedName(text: string): QualifiedName | { problem: string } {
  const parts: string[] = [];
  let position = 0;
  do {
    const part = readPart(text, position);
    if (part === null)
      return { problem: 'is not a table name such as projects, public.projects or "Projects"' };
    if (Buffer.byteLength(part.name) > MAX_IDENTIFIER_BYTES) {
      return {
        problem: `has a name of more than ${MAX_IDENTIFIER_BYTES} bytes, which Postgres would cut off`,
      };
    }
    parts.push(part.name);
    position = part.end + 1;
    // A dot joins parts; the text may only end right after one.
  } while (text[position - 1] === '.');
  if (position - 1 !== text.length) {
    return {
      problem: 'is not a table name; a name with other characters needs double quotes, such as "my-table"',
    };
  }
  const [first, second] = parts;
  if (first === undefined || parts.length > 2) {
    return { problem: 'has more than two parts; a table of another database cannot be read' };
  }
  return second === undefined ? { schema: null, name: first } : { schema: first, name: second };
}

function readPart(text: string, start: number): { name: string; end: number } | null {
  QUOTED.lastIndex = start;
  const quoted = QUOTED.exec(text);
  if (quoted?.[1] !== undefined) return { name: quoted[1].replaceAll('""', '"'), end: QUOTED.lastIndex };
  UNQUOTED.lastIndex = start;
  const unquoted = UNQUOTED.exec(text);
  if (unquoted?.[1] === undefined) return null;
  return {
    name: unquoted[1].replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
    end: UNQUOTED.lastIndex,
  };
}
