import type { Environment, EnvironmentRecord } from './env.ts';
import type { ConfigPath } from './problem.ts';
import type { RawConfig } from './schema.ts';

/** What a config is made of. */
export interface ConfigParts {
  /** Absolute path of the config file; null without one. */
  file: string | null;
  /** What of the file is well-formed. */
  raw: RawConfig;
  /** Names in a section of the file, in its order, malformed ones included. */
  keysOf: (path: ConfigPath) => readonly string[];
  environment: Environment;
  /** For variables that the file names. */
  environmentRecord: EnvironmentRecord;
  /** Absolute; relative paths of the file start here. */
  folder: string;
  /** Absolute; relative paths of the environment start here. */
  workingDirectory: string;
}
