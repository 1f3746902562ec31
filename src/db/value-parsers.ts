import { parseArrayText } from './array-text.ts';

/** Turns the text of a value that is not null into what the `Database` port promises for its type. */
export type ValueParser = (text: string) => unknown;

const asNumber: ValueParser = (text) => Number(text);
const asText: ValueParser = (text) => text;

/** By type oid, scalar and array; a type that is not listed stays text, and so do arrays of it. Oids of built-in types never change. */
const SCALARS: readonly { typeId: number; arrayTypeId: number; parse: ValueParser }[] = [
  { typeId: 16, arrayTypeId: 1000, parse: (text) => text === 't' }, // bool
  { typeId: 17, arrayTypeId: 1001, parse: asText }, // bytea, as \x…
  { typeId: 19, arrayTypeId: 1003, parse: asText }, // name
  { typeId: 20, arrayTypeId: 1016, parse: asNumber }, // int8
  { typeId: 21, arrayTypeId: 1005, parse: asNumber }, // int2
  { typeId: 23, arrayTypeId: 1007, parse: asNumber }, // int4
  { typeId: 25, arrayTypeId: 1009, parse: asText }, // text
  { typeId: 26, arrayTypeId: 1028, parse: asNumber }, // oid
  { typeId: 114, arrayTypeId: 199, parse: (text) => JSON.parse(text) }, // json
  { typeId: 700, arrayTypeId: 1021, parse: asNumber }, // float4
  { typeId: 701, arrayTypeId: 1022, parse: asNumber }, // float8
  { typeId: 1042, arrayTypeId: 1014, parse: asText }, // bpchar
  { typeId: 1043, arrayTypeId: 1015, parse: asText }, // varchar
  { typeId: 1082, arrayTypeId: 1182, parse: asText }, // date
  { typeId: 1114, arrayTypeId: 1115, parse: asText }, // timestamp without time zone
  { typeId: 1184, arrayTypeId: 1185, parse: parseTimestamp }, // timestamptz
  { typeId: 1700, arrayTypeId: 1231, parse: asText }, // numeric
  { typeId: 2950, arrayTypeId: 2951, parse: asText }, // uuid
  { typeId: 3802, arrayTypeId: 3807, parse: (text) => JSON.parse(text) }, // jsonb
];

const PARSERS: ReadonlyMap<number, ValueParser> = new Map(
  SCALARS.flatMap(({ typeId, arrayTypeId, parse }): [number, ValueParser][] => [
    [typeId, parse],
    [arrayTypeId, (text) => parseArrayText(text, parse)],
  ]),
);

/** The parser for a type; text is given back as it is for types without one. */
export function valueParser(typeId: number): ValueParser {
  return PARSERS.get(typeId) ?? asText;
}

/** Every type that has a parser, for a driver that wants a table. */
export function valueParsers(): Record<number, ValueParser> {
  return Object.fromEntries(PARSERS);
}

/** The last and first moment that a Date can hold, in ms since 1970, https://tc39.es/ecma262/#sec-time-values-and-time-range */
const LAST_MS = 8.64e15;

/**
 * Reads a `timestamptz` in ISO style. Infinity, and moments beyond what a Date holds, become the last (or first)
 * moment of a Date, so that comparisons stay right.
 */
export function parseTimestamp(text: string): Date {
  if (text === 'infinity') return new Date(LAST_MS);
  if (text === '-infinity') return new Date(-LAST_MS);
  const parts =
    /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?$/.exec(text);
  if (!parts) return new Date(text);
  const [, year, month, day, hour, minute, second, fraction, sign, ...rest] = parts;
  const [offsetHours, offsetMinutes, offsetSeconds, era] = rest;
  const moment = new Date(0);
  // Date.UTC reads the years 0 to 99 as 1900 to 1999; there is no year 0 before Christ.
  moment.setUTCFullYear(era ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day));
  moment.setUTCHours(
    Number(hour),
    Number(minute),
    Number(second),
    Math.floor(Number(`0${fraction ?? ''}`) * 1000),
  );
  const offsetMs =
    (Number(offsetHours) * 3600 + Number(offsetMinutes ?? 0) * 60 + Number(offsetSeconds ?? 0)) * 1000;
  const ms = moment.getTime() - (sign === '-' ? -offsetMs : offsetMs);
  return new Date(Number.isNaN(ms) ? LAST_MS : ms);
}
