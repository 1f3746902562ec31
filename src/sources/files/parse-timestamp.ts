const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?: ?([Zz]|[+-]\d{2}(?::?\d{2})?))?)?$/;

/**
 * Reads an ISO 8601 date, or date and time with `T` or a space between them; without an offset it is UTC, without
 * a time midnight. Returns the same instant in UTC as `2026-03-01T09:30:00.000Z`, with six digits where it has
 * microseconds (all that Postgres keeps), or null when it is no such date.
 */
export function parseTimestamp(text: string): string | null {
  const match = TIMESTAMP.exec(text.trim());
  if (!match) return null;
  const [
    ,
    year = '',
    month = '',
    day = '',
    hour = '00',
    minute = '00',
    second = '00',
    fraction = '',
    offset,
  ] = match;
  const offsetMinutes = parseOffset(offset);
  if (offsetMinutes === null || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  const local = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // JavaScript rolls 30 February over into March.
  if (Number.isNaN(local.getTime()) || !local.toISOString().startsWith(`${year}-${month}-${day}`))
    return null;
  const utc = new Date(local.getTime() - offsetMinutes * 60_000);
  const utcYear = utc.getUTCFullYear();
  if (utcYear < 1 || utcYear > 9999) return null;
  const microseconds = fraction.slice(0, 6).padEnd(6, '0');
  const digits = microseconds.endsWith('000') ? microseconds.slice(0, 3) : microseconds;
  return `${utc.toISOString().slice(0, 19)}.${digits}Z`;
}

/** Minutes east of UTC, or null when there is no such offset. */
function parseOffset(offset: string | undefined): number | null {
  if (offset === undefined || offset.toUpperCase() === 'Z') return 0;
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(3).replace(':', ''))];
  if (hours > 15 || minutes > 59) return null;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
