import { parseObject, type QdrantAnswer } from './qdrant-answer.ts';
import { versionShape } from './qdrant-shapes.ts';

/** The first version with tenant indexes (`is_tenant`); `points/query` came with 1.10. */
export const MINIMUM_VERSION = '1.11.0';

/** Reads `GET /`, where Qdrant says what it is; null for anything else, a web page or another program's JSON. */
export function readVersion(status: number, text: string): QdrantAnswer | null {
  const parsed = versionShape.safeParse(status === 200 ? parseObject(text) : null);
  if (!parsed.success || !/qdrant/i.test(parsed.data.title)) return null;
  return { ok: true, result: parsed.data };
}

/** Compares the numbers before any suffix such as `-dev`; a version that is no such number counts as new. */
export function isOldVersion(version: string): boolean {
  const given = numbersOf(version);
  const minimum = numbersOf(MINIMUM_VERSION);
  for (const [index, least] of minimum.entries()) {
    const part = given[index] ?? Number.NaN;
    if (part !== least) return part < least;
  }
  return false;
}

function numbersOf(version: string): number[] {
  return version.split(/[.-]/).slice(0, 3).map(Number);
}
