import { join, resolve } from 'node:path';
import type { DatabaseConfig, Origin, StoreConfig } from './config.ts';
import type { ConfigParts } from './config-parts.ts';
import { postgresUrlProblem, httpUrlProblem } from './connection-url.ts';
import { readVariable } from './env.ts';
import type { Problem } from './problem.ts';

export const DEFAULT_HOME = '.vecpipe';
const DATABASE_FOLDER = 'pgdata';

export interface Home {
  folder: string;
  origin: Origin;
}

/** The folder of the embedded database. */
export function homeOf({ raw, environment, folder, workingDirectory }: ConfigParts): Home {
  if (environment.home !== null) {
    return { folder: resolve(workingDirectory, environment.home), origin: 'environment' };
  }
  return {
    folder: resolve(folder, raw.home ?? DEFAULT_HOME),
    origin: raw.home === undefined ? 'default' : 'file',
  };
}

export function databaseOf(
  { raw, environment }: ConfigParts,
  home: Home,
  problems: Problem[],
): DatabaseConfig {
  const written = raw.database?.url;
  const problem = written === undefined ? null : postgresUrlProblem(written);
  if (problem !== null) problems.push({ path: ['database', 'url'], message: problem });
  if (environment.databaseUrl !== null) {
    return { kind: 'postgres', url: environment.databaseUrl, origin: 'environment' };
  }
  if (written !== undefined) return { kind: 'postgres', url: written, origin: 'file' };
  return { kind: 'pglite', folder: join(home.folder, DATABASE_FOLDER), origin: home.origin };
}

export function storeOf(
  { raw, environment, environmentRecord }: ConfigParts,
  problems: Problem[],
): StoreConfig {
  const written = raw.store;
  const qdrant = written?.kind === 'qdrant' ? written : null;
  const problem = qdrant?.url === undefined ? null : httpUrlProblem(qdrant.url);
  if (problem !== null) problems.push({ path: ['store', 'url'], message: problem });

  if (environment.qdrantUrl === null && qdrant === null) {
    return { kind: 'pgvector', origin: written ? 'file' : 'default' };
  }
  const url = environment.qdrantUrl ?? qdrant?.url;
  if (url === undefined) {
    problems.push({ path: ['store', 'url'], message: 'missing; give it here, or set QDRANT_URL' });
  }
  // A key is only ever sent to the server it was meant for: the variable that the file names belongs to the
  // server of the file, unless the file leaves the server to QDRANT_URL.
  const named = environment.qdrantUrl === null || qdrant?.url === undefined ? qdrant?.apiKeyEnv : undefined;
  const apiKey = named === undefined ? environment.qdrantApiKey : readVariable(environmentRecord, named);
  if (named !== undefined && apiKey === null) {
    problems.push({
      path: ['store', 'apiKeyEnv'],
      message: 'the environment variable that it names is not set; set it, or leave this key out',
    });
  }
  return {
    kind: 'qdrant',
    url: url ?? '',
    apiKey,
    origin: environment.qdrantUrl === null ? 'file' : 'environment',
  };
}
