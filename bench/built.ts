import { fileURLToPath } from 'node:url';

export const BINARY = fileURLToPath(new URL('../bin/vecpipe.js', import.meta.url));

/**
 * Imports a module of the built program: through a TypeScript loader the same code runs at a fraction of its speed.
 * @param path below dist, such as `db/open-database.js`
 */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(new URL(`../dist/${path}`, import.meta.url).href)) as Module;
}
