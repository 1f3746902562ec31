import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** Packages that are loaded when a module is, types left out. */
function packagesOf(module: URL, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(module.href)) return packages;
  seen.add(module.href);
  const source = readFileSync(module, 'utf8');
  for (const [, name = ''] of source.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm)) {
    if (name.startsWith('.'))
      for (const inner of packagesOf(new URL(name, module), seen)) packages.add(inner);
    else if (!name.startsWith('node:')) packages.add(name);
  }
  return packages;
}

describe('what is loaded before a config file is read', () => {
  it.each([
    'load-config',
    'resolve-config',
    'find-config-file',
    'env',
    'names',
    'starter-config',
    'describe-choices',
  ])('%s loads no parser', (name) => {
    const packages = packagesOf(new URL(`./${name}.ts`, import.meta.url));
    expect([...packages].filter((each) => each !== 'fastest-levenshtein')).toEqual([]);
  });

  it('reading a YAML file does not load jiti', () => {
    const packages = packagesOf(new URL('./read-config-file.ts', import.meta.url));
    expect([...packages]).toEqual(['yaml']);
  });
});
