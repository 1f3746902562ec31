/**
 * A `text[]` literal of JSON texts, to be bound as one string. JSON holds no raw control characters, so that all there
 * is to escape are quotes and backslashes, and `JSON.stringify` does that as Postgres reads it: 20 times faster than
 * replacing them in a megabyte of escaped text.
 */
export function jsonTextArray(jsons: readonly string[]): string {
  return `{${jsons.map((json) => JSON.stringify(json)).join(',')}}`;
}

/** A `text[]` literal of texts without quotes and backslashes, such as `{1,2}`. */
export function plainTextArray(texts: readonly string[]): string {
  return texts.length === 0 ? '{}' : `{"${texts.join('","')}"}`;
}
