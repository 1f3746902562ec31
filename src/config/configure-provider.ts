import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { checkShape } from './check-shape.ts';
import { readEnvironment } from './env.ts';
import type { EnvironmentRecord } from './env.ts';
import { configInvalid } from './problem.ts';
import type { ProviderConfig } from './provider-config.ts';
import type { rawProviderSchema } from './provider-schema.ts';
import { DEFAULT_HOME } from './resolve-connections.ts';
import { resolveProvider } from './resolve-providers.ts';

/** A member of `providers` as a config file has it; see docs/providers.md. */
export type ProviderOptions = z.input<typeof rawProviderSchema>;

export interface ConfigureOptions {
  /** Name for messages; `provider` when left out. */
  name?: string;
  /** Where relative paths start; the working directory when left out. */
  folder?: string;
  /** Where keys are read from; `process.env` when left out. */
  environment?: EnvironmentRecord;
}

/**
 * Checks what a provider is to be and fills in the defaults, for programs that have no config file. Downloaded
 * models go to `.vecpipe/models` in the folder, or in `VECPIPE_HOME`, unless `cache` says otherwise.
 * @throws {VecpipeError} usage `config_invalid` with a line for every problem; `environment_invalid`
 */
export function configureProvider(
  options: ProviderOptions,
  { name = 'provider', folder = process.cwd(), environment = process.env }: ConfigureOptions = {},
): ProviderConfig {
  const { raw, problems } = checkShape({ providers: { [name]: options } });
  const written = raw.providers?.[name];
  const variables = readEnvironment(environment);
  if (written && problems.length === 0) {
    const home = variables.home === null ? join(folder, DEFAULT_HOME) : resolve(folder, variables.home);
    const surroundings = { folder, home, environment: variables, environmentRecord: environment };
    const config = resolveProvider(name, written, surroundings, problems);
    if (problems.length === 0) return config;
  }
  throw configInvalid(problems, { shownFile: 'the options of the provider', lineOf: () => null });
}
