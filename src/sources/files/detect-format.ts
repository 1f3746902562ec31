import { usageError } from '../../errors/vecpipe-error.ts';

export type RecordFormat = { kind: 'ndjson' } | { kind: 'json' } | { kind: 'csv'; delimiter: string };

/** What the file's name suggests; the content decides where it can. */
export type FormatHint = 'ndjson' | 'json' | 'csv' | null;

/** The start of a file, after decompression. */
export interface FileStart {
  bytes: Buffer;
  /** True when there is no more to come: the file is at its end, or longer than anyone needs to look. */
  isWhole: boolean;
}

const MAX_START_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const DELIMITERS = [',', ';', '\t'];
const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export function fileStart(bytes: Buffer, isAtEnd: boolean): FileStart {
  return { bytes, isWhole: isAtEnd || bytes.length >= MAX_START_BYTES };
}

/** Bytes of a UTF-8 byte order mark at the start, which is no part of the first record. */
export function markLength(bytes: Buffer): number {
  return bytes.subarray(0, UTF8_MARK.length).equals(UTF8_MARK) ? UTF8_MARK.length : 0;
}

/** From the name, with or without `.gz`. */
export function formatHint(fileName: string): FormatHint {
  const match = /\.(ndjson|jsonl|json|csv|tsv)(?:\.gz)?$/i.exec(fileName);
  switch (match?.[1]?.toLowerCase()) {
    case 'ndjson':
    case 'jsonl':
      return 'ndjson';
    case 'json':
      return 'json';
    case 'csv':
    case 'tsv':
      return 'csv';
    default:
      return null;
  }
}

/**
 * How the records of a file are written, judged by its first lines; null when more of it has to be seen.
 * @throws {VecpipeError} `usage` when its first line is not UTF-8 text
 */
export function detectFormat(start: FileStart, hint: FormatHint, fileName: string): RecordFormat | null {
  const { bytes, isWhole } = start;
  if (!isWhole && bytes.length < 4) return null;
  refuseUtf16(bytes, fileName);
  const from = skipBlank(bytes, markLength(bytes));
  const lineEnd = endOfLine(bytes, from);
  if (!isWhole && lineEnd >= bytes.length) return null;
  const firstLine = bytes.subarray(from, lineEnd);
  const first = String.fromCharCode(firstLine[0] ?? SPACE);
  refuseBinary(firstLine, first, lineEnd < bytes.length, fileName);

  const secondLine = skipBlank(bytes, lineEnd);
  const second = secondLine < bytes.length ? String.fromCharCode(bytes[secondLine] ?? SPACE) : null;
  const needsSecond = second === null && !isWhole;
  if (first === '{') return needsSecond ? null : objectFormat(firstLine, second);
  if (first === '[' && !isCsvHeader(firstLine, hint))
    return needsSecond ? null : arrayFormat(firstLine, second, hint);
  if (hint === 'ndjson' || hint === 'json' || firstLine.length === 0) return { kind: 'ndjson' };
  if (hint === null && needsSecond) return null;
  if (hint === null && second === '{') return { kind: 'ndjson' };
  const header = csvHeader(bytes, from);
  if (header === null && !isWhole) return null;
  return { kind: 'csv', delimiter: commonestDelimiter(header ?? bytes.subarray(from)) };
}

/** One object a line, unless the first line opens one that the second goes on with. */
function objectFormat(firstLine: Buffer, second: string | null): RecordFormat {
  const { depth, inString, last } = outline(firstLine);
  if (depth <= 0 || inString) return { kind: 'ndjson' };
  // A broken first record of NDJSON is followed by the opening brace of the next one.
  const goesOn = second === '"' || second === '}' || last === '[' || last === ':';
  return { kind: goesOn ? 'json' : 'ndjson' };
}

/** In a file that is named NDJSON, a first line that is a whole array is a bad record among others. */
function arrayFormat(firstLine: Buffer, second: string | null, hint: FormatHint): RecordFormat {
  const { depth, inString } = outline(firstLine);
  const isLine = hint === 'ndjson' && second !== null && depth <= 0 && !inString;
  return { kind: isLine ? 'ndjson' : 'json' };
}

/** `[id],[name]` is a header that some databases write. */
function isCsvHeader(firstLine: Buffer, hint: FormatHint): boolean {
  const next = String.fromCharCode(firstLine[skipBlank(firstLine, 1)] ?? SPACE);
  if (next === ' ') return false;
  return hint === 'csv' ? !'{]'.includes(next) : !/[[{\]"\d\-tfn]/.test(next);
}

function outline(line: Buffer): { depth: number; inString: boolean; last: string } {
  let depth = 0;
  let inString = false;
  const text = line.toString('latin1').trimEnd();
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (inString && character === '\\') index += 1;
    else if (character === '"') inString = !inString;
    else if (!inString && '{['.includes(character)) depth += 1;
    else if (!inString && '}]'.includes(character)) depth -= 1;
  }
  return { depth, inString, last: text.at(-1) ?? '' };
}

/** The header with its quoted line ends, or null when it is not whole. */
function csvHeader(bytes: Buffer, from: number): Buffer | null {
  let inQuotes = false;
  for (let index = from; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (byte === 0x22) inQuotes = !inQuotes;
    else if (!inQuotes && (byte === LINE_FEED || byte === CARRIAGE_RETURN))
      return bytes.subarray(from, index);
  }
  return null;
}

function commonestDelimiter(header: Buffer): string {
  const unquoted = header.toString('latin1').replaceAll(/"[^"]*"?/g, '');
  const counts = DELIMITERS.map((delimiter) => unquoted.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ',';
}

function skipBlank(bytes: Buffer, from: number): number {
  let index = from;
  while (index < bytes.length && ' \t\r\n'.includes(String.fromCharCode(bytes[index] ?? 0))) index += 1;
  return index;
}

function endOfLine(bytes: Buffer, from: number): number {
  let index = from;
  while (index < bytes.length && bytes[index] !== LINE_FEED && bytes[index] !== CARRIAGE_RETURN) index += 1;
  return index;
}

function refuseUtf16(bytes: Buffer, fileName: string): void {
  const [b0 = 1, b1 = 1, b2 = 1, b3 = 1] = bytes;
  const hasMark = (b0 === 0xff && b1 === 0xfe) || (b0 === 0xfe && b1 === 0xff);
  // Without a mark, text in Latin letters shows as every other byte being zero.
  const alternates =
    (b0 !== 0 && b1 === 0 && b2 !== 0 && b3 === 0) || (b0 === 0 && b1 !== 0 && b2 === 0 && b3 !== 0);
  if (!hasMark && !alternates) return;
  throw usageError(
    'record_file_utf16',
    `${fileName} is in UTF-16, and records are read as UTF-8 (--from)`,
    'Save it as UTF-8, for example with: iconv -f UTF-16 -t UTF-8.',
  );
}

/**
 * A line that opens an object or array is a record, and what is wrong with it concerns that record alone, as long
 * as it has no NUL bytes.
 */
function refuseBinary(firstLine: Buffer, first: string, isLineWhole: boolean, fileName: string): void {
  const isRecord = first === '{' || first === '[';
  if (!firstLine.includes(0) && (isRecord || isText(firstLine, isLineWhole))) return;
  throw usageError(
    'record_file_not_text',
    `${fileName} is not UTF-8 text (--from)`,
    'Records are read as NDJSON, a JSON array or CSV, plain or gzipped; save a spreadsheet as CSV in UTF-8.',
  );
}

function isText(line: Buffer, isWhole: boolean): boolean {
  try {
    // A line that was cut at the limit may end inside a character.
    new TextDecoder('utf-8', { fatal: true }).decode(line, { stream: !isWhole });
    return true;
  } catch {
    return false;
  }
}
