import { usageError } from '../errors/vecpipe-error.ts';
import { postgresUrlProblem, httpUrlProblem } from './connection-url.ts';

/** What `process.env` looks like. */
export type EnvironmentRecord = Readonly<Record<string, string | undefined>>;

export interface EnvironmentVariable {
  name: string;
  /** The key of the config file that it overrides; null when there is none. */
  overrides: string | null;
  /** One sentence for the documentation. */
  meaning: string;
}

/**
 * Every environment variable that vecpipe reads, here and nowhere else. White space around a value is dropped,
 * and an empty value counts as unset.
 */
export const ENVIRONMENT_VARIABLES = [
  {
    name: 'DATABASE_URL',
    overrides: 'database.url',
    meaning:
      'Postgres server with entity rows, queue and state: `postgres://user:password@host:5432/database`. Unset: an embedded Postgres in the home folder.',
  },
  {
    name: 'QDRANT_URL',
    overrides: 'store',
    meaning:
      'Qdrant server that keeps the vectors: `http://host:6333`. It wins over the whole `store` section, also over `kind: pgvector`. Unset: pgvector in the same database.',
  },
  {
    name: 'QDRANT_API_KEY',
    overrides: null,
    meaning:
      'API key of that Qdrant server. `store.apiKeyEnv` names another variable for the server in the file.',
  },
  {
    name: 'OPENAI_BASE_URL',
    overrides: null,
    meaning:
      'Endpoint of the providers of kind `gateway` that give no `baseURL`: everything before `/embeddings`. Unset: `https://api.openai.com/v1`.',
  },
  {
    name: 'OPENAI_API_KEY',
    overrides: null,
    meaning: 'API key of the providers of kind `gateway` that name no other variable in `apiKeyEnv`.',
  },
  {
    name: 'HF_ENDPOINT',
    overrides: null,
    meaning:
      'Model hub, or a mirror of it, from which providers of kind `local` download. Unset: `https://huggingface.co`.',
  },
  {
    name: 'HF_TOKEN',
    overrides: null,
    meaning: 'Token of that hub, for models that it does not show to everybody.',
  },
  {
    name: 'VECPIPE_HOME',
    overrides: 'home',
    meaning: 'Folder of the embedded database, relative to the working directory. Unset: `.vecpipe`.',
  },
  {
    name: 'VECPIPE_CONFIG',
    overrides: null,
    meaning:
      'Config file, relative to the working directory. Unset: the nearest `vecpipe.config.*` from the working directory upwards.',
  },
] as const satisfies readonly EnvironmentVariable[];

type VariableName = (typeof ENVIRONMENT_VARIABLES)[number]['name'];

/** The variables as they were set; null for one that is unset or empty. */
export interface Environment {
  databaseUrl: string | null;
  qdrantUrl: string | null;
  qdrantApiKey: string | null;
  openaiBaseUrl: string | null;
  openaiApiKey: string | null;
  hubUrl: string | null;
  hubToken: string | null;
  home: string | null;
  configFile: string | null;
}

/**
 * Reads and checks the variables.
 * @throws {VecpipeError} usage `environment_invalid` for a URL that cannot be one; the value is not shown
 */
export function readEnvironment(environment: EnvironmentRecord): Environment {
  const read = (name: VariableName) => readVariable(environment, name);
  const databaseUrl = read('DATABASE_URL');
  const qdrantUrl = read('QDRANT_URL');
  const openaiBaseUrl = read('OPENAI_BASE_URL');
  refuse('DATABASE_URL', databaseUrl && postgresUrlProblem(databaseUrl), 'the embedded Postgres');
  refuse('QDRANT_URL', qdrantUrl && httpUrlProblem(qdrantUrl), 'pgvector');
  const hubUrl = read('HF_ENDPOINT');
  refuse('HF_ENDPOINT', hubUrl && httpUrlProblem(hubUrl), 'huggingface.co');
  refuse('OPENAI_BASE_URL', openaiBaseUrl && httpUrlProblem(openaiBaseUrl), 'api.openai.com');
  return {
    databaseUrl,
    qdrantUrl,
    qdrantApiKey: read('QDRANT_API_KEY'),
    openaiBaseUrl,
    openaiApiKey: read('OPENAI_API_KEY'),
    hubUrl,
    hubToken: read('HF_TOKEN'),
    home: read('VECPIPE_HOME'),
    configFile: read('VECPIPE_CONFIG'),
  };
}

/** The value of a variable that the config file names, such as `store.apiKeyEnv`; null when unset or empty. */
export function readVariable(environment: EnvironmentRecord, name: string): string | null {
  const value = environment[name]?.trim();
  return value === undefined || value === '' ? null : value;
}

function refuse(name: VariableName, problem: string | null, alternative: string): void {
  if (!problem) return;
  throw usageError(
    'environment_invalid',
    `the environment variable ${name} ${problem}`,
    `Correct it, or unset it to use what the config file says or else ${alternative}.`,
  );
}
