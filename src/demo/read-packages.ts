import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** An installed npm package, as its package.json describes it. */
export interface InstalledPackage {
  name: string;
  version: string;
  description: string | null;
  keywords: string | null;
  homepage: string | null;
  license: string | null;
}

/** More than this is no longer a demo. */
const MAX_PACKAGES = 2_000;

/**
 * Reads the package.json files of what is installed here: for the project in `workingDirectory`, for vecpipe
 * itself, and the packages that npm is made of. Each name once, in order of the names.
 */
export async function readInstalledPackages(workingDirectory: string): Promise<InstalledPackage[]> {
  const packages = new Map<string, InstalledPackage>();
  const roots = [
    join(workingDirectory, 'node_modules'),
    ...nodeModulesAbove(dirname(fileURLToPath(import.meta.url))),
    ...npmFolders(),
  ];
  for (const root of new Set(roots)) await collect(root, packages);
  return [...packages.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function nodeModulesAbove(folder: string): string[] {
  const found: string[] = [];
  for (let place = folder; place !== dirname(place); place = dirname(place))
    found.push(join(place, 'node_modules'));
  return found;
}

/** Where Node's installers put npm, on Unix and on Windows. */
function npmFolders(): string[] {
  const node = dirname(process.execPath);
  return [join(node, '..', 'lib', 'node_modules'), join(node, 'node_modules')];
}

async function collect(folder: string, packages: Map<string, InstalledPackage>): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (packages.size >= MAX_PACKAGES || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.name.startsWith('@')) await collect(path, packages);
    else if (entry.isDirectory()) {
      const found = await readPackage(join(path, 'package.json'));
      if (found && !packages.has(found.name)) packages.set(found.name, found);
      await collect(join(path, 'node_modules'), packages);
    }
  }
}

async function readPackage(path: string): Promise<InstalledPackage | null> {
  try {
    const found = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    const name = textOf(found['name']);
    const version = textOf(found['version']);
    if (name === null || version === null) return null;
    const keywords = Array.isArray(found['keywords'])
      ? found['keywords'].filter((each) => typeof each === 'string')
      : [];
    return {
      name,
      version,
      description: textOf(found['description']),
      keywords: keywords.length > 0 ? keywords.join(', ') : null,
      homepage: textOf(found['homepage']),
      license: textOf(found['license']),
    };
  } catch {
    // Not every folder is a package, and not every package.json is meant to be read.
    return null;
  }
}

/** Postgres has no NUL character in a text. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.replaceAll('\0', '') : null;
}
