import { usageError } from '../errors/vecpipe-error.ts';

/**
 * The names that lead to a payload field: `vecpipe.tenant` is two, `"file name".size` too. Dots separate, double
 * quotes hold a name with dots in it, as in Qdrant's JSON paths; a name itself cannot hold a double quote or a
 * backslash, because Qdrant has no way to write one.
 * @throws {VecpipeError} `usage` when the text is not such a path
 */
export function parseFieldPath(field: string): string[] {
  const names: string[] = [];
  const step = /(?:"([^"\\]+)"|([^."\\[\]]+))(\.|$)/y;
  for (;;) {
    const match = step.exec(field);
    const name = match?.[1] ?? match?.[2];
    if (!match || name === undefined) {
      throw usageError(
        'filter_field_invalid',
        `the filter field ${JSON.stringify(field)} is not a name, or names joined by dots`,
        'put a name that has dots in it in double quotes',
      );
    }
    names.push(name);
    if (match[3] !== '.') return names;
  }
}

/** The same path the way Qdrant reads it: names with other than plain characters in quotes. */
export function qdrantFieldPath(names: readonly string[]): string {
  return names.map((name) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : `"${name}"`)).join('.');
}
