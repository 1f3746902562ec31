import { basename } from 'node:path';

/**
 * The entity that a file's name stands for: what comes before its first dot is the entity's name, alone or
 * followed by `-` or `_` and anything else (`projects-2026.ndjson.gz` holds projects). The longest name wins;
 * null when none fits.
 */
export function entityOfFile(path: string, entityNames: Iterable<string>): string | null {
  const [stem = ''] = basename(path).split('.', 1);
  let found: string | null = null;
  for (const name of entityNames) {
    const fits = stem === name || stem.startsWith(`${name}-`) || stem.startsWith(`${name}_`);
    if (fits && name.length > (found?.length ?? 0)) found = name;
  }
  return found;
}
