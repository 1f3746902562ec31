import { dirname, resolve } from 'node:path';
import type { Config } from './config.ts';
import { readEnvironment } from './env.ts';
import type { EnvironmentRecord } from './env.ts';
import { findConfigFile } from './find-config-file.ts';
import { configInvalid } from './problem.ts';
import type { Problem } from './problem.ts';
import type { RawConfig } from './schema.ts';
import { shownFile } from './shown-file.ts';

export interface ConfigRequest {
  flags: {
    /** Value of `--config`. */
    config?: string | undefined;
  };
  /** What `process.env` looks like. */
  environment: EnvironmentRecord;
  /** Where the search for a file starts; relative paths of flags and environment start here too. */
  workingDirectory: string;
  signal?: AbortSignal | undefined;
}

/**
 * Finds, reads and checks the config. Precedence: flag, environment, file, default.
 *
 * Without a file the defaults hold and nothing is parsed: zod, yaml and the readers are loaded only when there is
 * a file, jiti only for a `.ts` one.
 * @throws {VecpipeError} usage: `environment_invalid`; `config_not_found`, `config_ambiguous`, `config_untrusted`
 *   or `config_unreadable`; `config_invalid` with a line for every problem of the file; the signal's reason when
 *   aborted
 */
export async function loadConfig(request: ConfigRequest): Promise<Config> {
  const { signal } = request;
  signal?.throwIfAborted();
  const workingDirectory = resolve(request.workingDirectory);
  const environment = readEnvironment(request.environment);
  const file = await findConfigFile({ flag: request.flags.config, environment, workingDirectory, signal });
  const { resolveConfig } = await import('./resolve-config.ts');
  const outside = { environment, environmentRecord: request.environment, workingDirectory };
  if (file === null) {
    return resolveConfig({ file, raw: {}, keysOf: () => [], folder: workingDirectory, ...outside }).config;
  }

  const [{ readConfigFile }, { checkShape, isFollowUp }] = await Promise.all([
    import('./read-config-file.ts'),
    import('./check-shape.ts'),
  ]);
  const document = await readConfigFile(file, shownFile(file, workingDirectory), signal);
  const shape = checkShape(document.value);
  const resolved = resolveConfig({
    file,
    raw: shape.raw,
    keysOf: document.keysOf,
    folder: dirname(file),
    ...outside,
  });
  const meanings = [...resolved.problems, ...(await templateProblems(shape.raw.entities))];
  const reported = [...document.problems, ...shape.problems];
  const problems = [...reported, ...meanings.filter((problem) => !isFollowUp(problem, reported))];
  if (problems.length > 0) throw configInvalid(problems, document);
  return resolved.config;
}

/** The template engine is loaded only when the file has a template. */
async function templateProblems(entities: RawConfig['entities']): Promise<Problem[]> {
  if (!Object.values(entities ?? {}).some((entity) => entity?.text !== undefined)) return [];
  const { checkTemplates } = await import('./check-templates.ts');
  return checkTemplates(entities);
}
