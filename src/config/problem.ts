import { usageError } from '../errors/vecpipe-error.ts';
import type { VecpipeError } from '../errors/vecpipe-error.ts';

/** The keys and list positions that lead to a value; empty for the whole file. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with a config file. */
export interface Problem {
  path: ConfigPath;
  /** Continues "entities.projects.txt: …"; no full stop. Holds no secrets and no `url`. */
  message: string;
}

/** Where problems are, for people. */
export interface ProblemSource {
  /** As it is shown: relative to the working directory when that is shorter. */
  shownFile: string;
  /** One-based line of a path, or of its nearest ancestor that is there; null where lines are not known. */
  lineOf: (path: ConfigPath) => number | null;
}

/** One error with a line for each problem, in the order of the file. */
export function configInvalid(problems: readonly Problem[], source: ProblemSource): VecpipeError {
  const lines = problems
    .map((problem) => ({ line: source.lineOf(problem.path), problem }))
    .sort((one, other) => (one.line ?? 0) - (other.line ?? 0))
    .map(({ line, problem }) => problemLine(source.shownFile, line, problem));
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`;
  return usageError(
    'config_invalid',
    `${source.shownFile} has ${count}:\n${lines.join('\n')}`,
    'Every key is explained in docs/configuration.md.',
  );
}

function problemLine(shownFile: string, line: number | null, { path, message }: Problem): string {
  const place = line === null ? shownFile : `${shownFile}:${line}`;
  return path.length === 0 ? `${place}: ${message}` : `${place}: ${shownPath(path)}: ${message}`;
}

/** `tenants.1.provider`; keys that are not plain words are quoted. */
export function shownPath(path: ConfigPath): string {
  return path.map(shownSegment).join('.');
}

function shownSegment(segment: string | number): string {
  if (typeof segment === 'number' || /^[\w$-]+$/.test(segment)) return String(segment);
  // A connection string that landed on the wrong side of the colon may hold a password.
  return segment.includes('://') ? '(a URL)' : JSON.stringify(segment);
}

/** Whether one path leads to, or through, the other. */
export function pathsMeet(one: ConfigPath, other: ConfigPath): boolean {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index++) {
    if (String(one[index]) !== String(other[index])) return false;
  }
  return true;
}
