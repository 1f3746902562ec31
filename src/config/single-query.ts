/**
 * The pieces of SQL that may hold a semicolon which ends nothing, tried in this order, from
 * https://www.postgresql.org/docs/current/sql-syntax-lexical.html with `standard_conforming_strings` on.
 */
const PIECES: readonly { kind: PieceKind; pattern: RegExp }[] = [
  { kind: 'space', pattern: /\s+|--[^\r\n]*/y },
  // The body of a comment is found by hand: comments nest.
  { kind: 'comment', pattern: /\/\*/y },
  { kind: 'text', pattern: /[eE]'(?:[^'\\]|\\[\s\S]|'')*('|$)/y },
  { kind: 'text', pattern: /'(?:[^']|'')*('|$)/y },
  { kind: 'name', pattern: /"(?:[^"]|"")*("|$)/y },
  { kind: 'text', pattern: /\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$([\s\S]*?)(\$\1\$|$)/y },
  { kind: 'placeholder', pattern: /\$\d+/y },
  { kind: 'word', pattern: /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y },
  { kind: 'end', pattern: /;/y },
  { kind: 'other', pattern: /[\s\S]/y },
];

type PieceKind = 'space' | 'comment' | 'text' | 'name' | 'placeholder' | 'word' | 'end' | 'other';

interface Piece {
  kind: PieceKind;
  start: number;
  end: number;
  isClosed: boolean;
}

/**
 * Checks that a text is one SELECT or WITH statement that can stand in parentheses: semicolons and comments at
 * the end are dropped, a second statement is refused. Quotes, dollar quotes and nested comments are respected.
 *
 * @returns the query, or a sentence part that says what is wrong
 */
export function singleQuery(sql: string): { sql: string } | { problem: string } {
  let firstWord: string | null = null;
  let hasEnded = false;
  let startOfQuery: number | null = null;
  let endOfQuery = 0;
  for (const piece of pieces(sql)) {
    if (!piece.isClosed)
      return { problem: `has a ${piece.kind === 'comment' ? 'comment' : 'quote'} without an end` };
    if (piece.kind === 'space' || piece.kind === 'comment') continue;
    if (piece.kind === 'end') {
      hasEnded = startOfQuery !== null;
      continue;
    }
    if (hasEnded) return { problem: 'holds several statements; give one SELECT' };
    if (piece.kind === 'placeholder')
      return { problem: 'has a placeholder such as $1, for which there is no value' };
    const text = sql.slice(piece.start, piece.end);
    if (firstWord === null && text !== '(') firstWord = text.toLowerCase();
    startOfQuery ??= piece.start;
    endOfQuery = piece.end;
  }
  if (startOfQuery === null || firstWord === null) return { problem: 'is empty; give one SELECT' };
  if (firstWord !== 'select' && firstWord !== 'with') return { problem: 'must begin with SELECT or WITH' };
  return { sql: sql.slice(startOfQuery, endOfQuery) };
}

function* pieces(sql: string): Generator<Piece> {
  let start = 0;
  while (start < sql.length) {
    const piece = pieceAt(sql, start);
    yield piece;
    start = piece.end;
  }
}

function pieceAt(sql: string, start: number): Piece {
  for (const { kind, pattern } of PIECES) {
    pattern.lastIndex = start;
    const match = pattern.exec(sql);
    if (!match) continue;
    if (kind === 'comment') return commentAt(sql, start);
    // The last group of a quoted piece is its closing quote, or empty where the text ran out.
    const isQuoted = kind === 'text' || kind === 'name';
    return { kind, start, end: pattern.lastIndex, isClosed: !isQuoted || match.at(-1) !== '' };
  }
  throw new Error('every character of an SQL text belongs to a piece');
}

function commentAt(sql: string, start: number): Piece {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start;
  let depth = 0;
  for (let match = mark.exec(sql); match; match = mark.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return { kind: 'comment', start, end: mark.lastIndex, isClosed: true };
  }
  return { kind: 'comment', start, end: sql.length, isClosed: false };
}
