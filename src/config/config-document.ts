import type { ConfigPath, Problem, ProblemSource } from './problem.ts';

/** A config file as it was read, before its meaning is checked. */
export interface ConfigDocument extends ProblemSource {
  /** Absolute. */
  file: string;
  /** Plain objects, lists and scalars; null for an empty file. */
  value: unknown;
  /** What reading alone found wrong, such as a key that is written twice. */
  problems: readonly Problem[];
  /** The keys of the section at a path in the order in which they are written; empty where there is no section. */
  keysOf: (path: ConfigPath) => string[];
}
