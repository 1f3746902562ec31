import { isAlias, isMap, isScalar, isSeq } from 'yaml';
import type { Alias, Document, Pair } from 'yaml';
import type { ConfigPath } from './problem.ts';

/** The key of a merge, which may be there more than once. */
const MERGE_KEY = '<<';

export interface DuplicateKey {
  path: ConfigPath;
  first: unknown;
}

/** Follows a path through sections, lists and aliases, giving what it passes: the key's node, or a list's item. */
export function* nodesAlong(document: Document, path: ConfigPath): Generator {
  let node: unknown = document.contents;
  if (node !== null) yield node;
  for (const segment of path) {
    const container = isAlias(node) ? node.resolve(document) : node;
    if (isSeq(container)) {
      node = container.items[Number(segment)];
      yield node;
    } else if (isMap(container)) {
      const pair = container.items.findLast((item) => keyOf(item) === String(segment));
      if (!pair) return;
      node = pair.value;
      yield pair.key;
    } else return;
  }
}

/** The keys of the section at a path, in the order in which they are written; merged ones are left out. */
export function keysAt(document: Document, path: ConfigPath): string[] {
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  const section = isAlias(node) ? node.resolve(document) : node;
  return isMap(section) ? section.items.map(keyOf).filter((key) => key !== MERGE_KEY) : [];
}

/** Keys that are written twice in one section, and the first alias whose anchor is not written before it. */
export function inspectNodes(document: Document): { duplicates: DuplicateKey[]; dangling: Alias | null } {
  const anchors = new Set<string>();
  const duplicates: DuplicateKey[] = [];
  let dangling: Alias | null = null;
  const visit = (node: unknown, path: ConfigPath): void => {
    if (isAlias(node)) {
      if (!anchors.has(node.source)) dangling ??= node;
      return;
    }
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) anchors.add(node.anchor);
    if (isSeq(node)) node.items.forEach((item, index) => visit(item, [...path, index]));
    if (!isMap(node)) return;
    const seen = new Map<string, unknown>();
    for (const pair of node.items) {
      const key = keyOf(pair);
      const keyPath = [...path, key];
      if (seen.has(key) && key !== MERGE_KEY) duplicates.push({ path: keyPath, first: seen.get(key) });
      else seen.set(key, pair.key);
      visit(pair.key, keyPath);
      visit(pair.value, keyPath);
    }
  };
  visit(document.contents, []);
  return { duplicates, dangling };
}

function keyOf(pair: Pair): string {
  return String(isScalar(pair.key) ? pair.key.value : pair.key);
}
