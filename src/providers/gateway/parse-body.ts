/** A number that JSON does not have, as Python writes it, where a list has a number. */
const STRANGE_NUMBER = /(?<=[[,]\s*)-?(?:NaN|Infinity)(?=\s*[\],])/g;

/** The JSON of a body, with NaN and the infinities in a list of numbers read as null; undefined when it is none. */
export function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    if (!/NaN|Infinity/.test(body)) return undefined;
  }
  try {
    return JSON.parse(body.replaceAll(STRANGE_NUMBER, 'null'));
  } catch {
    return undefined;
  }
}

/** What a body that is not the expected JSON looks like; never a piece of it. */
export function describeBody(body: string): string {
  const start = body.trimStart();
  if (start === '') return 'an empty body';
  if (start.startsWith('<')) return 'HTML';
  return start.startsWith('{') || start.startsWith('[') ? 'JSON that is cut off or damaged' : 'no JSON';
}
